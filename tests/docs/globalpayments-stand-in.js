// Stands in for globalpayments.js, which its owner publishes on a host of its own alone. It draws plain inputs where the
// library puts frames, sends the request that the library's documentation describes, and fires the same events. It is a
// script for a page.

(() => {
  const HOSTS = { sandbox: 'https://apis.sandbox.globalpay.com/ucp', production: 'https://apis.globalpay.com/ucp' };
  const NAMES = {
    'card-number': 'Card number',
    'card-expiration': 'Expiry',
    'card-cvv': 'Security code',
    'card-holder-name': 'Name on the card',
  };
  let options = {};

  async function tokenize(values) {
    const [month, year] = values['card-expiration'].split('/').map((part) => part.trim());
    const answer = await fetch(`${HOSTS[options.env]}/payment-methods`, {
      method: 'POST',
      credentials: 'omit',
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${options.accessToken}`,
        'content-type': 'application/json',
        'x-gp-version': options.apiVersion ?? '2021-03-22',
        'x-gp-library': 'javascript;version=4.1.26',
      },
      body: JSON.stringify({
        reference: options.reference ?? crypto.randomUUID(),
        usage_mode: 'SINGLE',
        card: {
          number: values['card-number'].replace(/\s/g, ''),
          cvv: values['card-cvv'],
          expiry_month: month,
          expiry_year: year.slice(-2),
        },
        ...(values['card-holder-name'] && { name: values['card-holder-name'] }),
      }),
    });
    const body = await answer.json();
    // The status is not looked at, and the detailed code is dropped.
    if (body.error_code)
      throw { error: true, reasons: [{ code: body.error_code, message: body.detailed_error_description }] };
    const number = values['card-number'].replace(/\s/g, '');
    return {
      paymentReference: body.id,
      details: {
        masked_number_last4: body.card.masked_number_last4,
        cardNumber: `${number.slice(0, 6)}******${number.slice(-4)}`,
        cardBin: number.slice(0, 6),
        cardLast4: number.slice(-4),
        cardType: body.card.brand.toLowerCase(),
        cardSecurityCode: true,
        expiryMonth: body.card.expiry_month,
        expiryYear: body.card.expiry_year,
        reference: body.reference,
      },
    };
  }

  function makeForm(targets) {
    const listeners = [];
    const fire = (name, event) => {
      for (const [wanted, listener] of listeners) if (wanted === name) listener(event);
    };
    const inputs = {};
    for (const [name, target] of Object.entries(targets)) {
      if (name === 'submit') {
        const button = document.createElement('button');
        Object.assign(button, { type: 'button', textContent: 'Submit' });
        button.addEventListener('click', () =>
          tokenize(Object.fromEntries(Object.entries(inputs).map(([key, { value }]) => [key, value]))).then(
            (event) => fire('token-success', event),
            (event) => fire('token-error', event),
          ),
        );
        target.append(button);
      } else {
        inputs[name] = document.createElement('input');
        inputs[name].setAttribute('aria-label', NAMES[name]);
        target.append(inputs[name]);
      }
    }
    return {
      on: (name, listener) => listeners.push([name, listener]),
      ready: (listener) => setTimeout(listener, 0, {}),
      addStylesheet() {},
      dispose() {},
    };
  }

  globalThis.GlobalPayments = {
    configure: (given) => {
      options = given;
    },
    on() {},
    creditCard: {
      form: (selector) => {
        const target = document.querySelector(selector);
        return makeForm(Object.fromEntries([...Object.keys(NAMES), 'submit'].map((name) => [name, target])));
      },
    },
    ui: {
      form: ({ fields }) =>
        makeForm(
          Object.fromEntries(
            Object.entries(fields).map(([name, { target }]) => [name, document.querySelector(target)]),
          ),
        ),
    },
  };
})();
