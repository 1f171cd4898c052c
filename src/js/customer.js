// The customer's details that CCBill wants beside a card, checked by what it would refuse.

import { failure } from "./error.js";
import { BETWEEN, UUID } from "./mask.js";
import { luhn } from "./product.js";
import { fits, isObject, members, text } from "./value.js";

const IPV4 = /^((25[0-5]|(2[0-4]|1\d|[1-9]|)\d)\.?\b){4}$/;

/**
 * CCBill's name of each field where it is another, the most characters, whether it must be there, and its form. How long
 * names, telephone numbers and a browser's headers may be is not documented: those bounds are ours.
 */
const FIELDS = {
  __proto__: null,
  firstName: ["customerFname", 50, true],
  lastName: ["customerLname", 50, true],
  address1: ["", 50],
  address2: ["", 50],
  city: ["", 50],
  state: ["", 3],
  postalCode: ["zipcode", 16, true],
  country: ["", 2, true, /^[A-Z]{2}$/],
  phoneNumber: ["", 50],
  email: ["", 254, true, /^[^@\s]+@[^@\s]+\.[^@\s.]+$/],
  ipAddress: ["", 15, false, IPV4],
  browserHttpUserAgent: [""],
  browserHttpAccept: [""],
  browserHttpAcceptLanguage: [""],
  browserHttpAcceptEncoding: [""],
};

const MESSAGES = {
  missing: "This is missing.",
  too_long: "This is too long.",
  characters: "This holds characters that cannot be sent.",
  malformed: "This does not have the right form.",
  is_card_number: "This looks like a card number.",
};

const RUN = new RegExp(`\\d+(?:${BETWEEN}\\d+)*`, "g");

/** The numbers of 13 digits and more that brands have: the table of src/card/brand.rs, which a test compares. */
const NUMBER = new RegExp(`^(?:${[
  "4(?:D{12}|D{15}|D{17,18})", "493698D{7,13}", "479658D{11}",
  "(?:5[1-5]DD|222[1-9]|22[3-9]D|2[3-6]DD|27[01]D|2720)D{12}",
  "3[47]D{13}", "(?:30[0-5]D|3095|3[689]DD)D{10,15}", "3841[046]0D{7}", "35(?:2[89]|[3-8]D)D{12,15}",
  "(?:6011|64[4-9]D|65DD|220[0-4])D{12,15}", "(?:62DD|81[0-6]D|817[01])D{10,15}",
  "(?:50(?!4175|6699|67[0-6]|677[0-8]|9)|5[6-9]|6[1379])D{11,17}", "50D{14}",
  "606282(?:D{7}|D{10}|D{13})", "606005D{10,13}",
  "60(?:69(?:8[5-9]|9D)|7[0-8]DD|79(?:[0-7]D|8[0-4])|80(?:0[1-9]|[1-9]D)|8[1-4]DD|8500)D{10}",
  "(?:81(?:7[2-9]|[89]D)|820[01]|9792)D{12}",
].join("|").replaceAll("D", "\\d")})$`);

/**
 * The rule of src/redact.rs for what a person typed into a field for a name: groups of digits, one after the other, that
 * together have a brand's first digits, its length and a check digit that fits.
 */
function holdsCardNumber(text) {
  // Every third piece is a UUID.
  const plain = text.split(UUID).filter((_, at) => at % 3 < 2);
  const runs = plain.flatMap((piece) => piece.normalize("NFKC").match(RUN) ?? []);
  return runs.some((run) => {
    const groups = run.match(/\d+/g);
    return groups.some((_, at) => {
      for (let number = ""; at < groups.length && number.length < 20; at += 1) {
        number += groups[at];
        if (NUMBER.test(number) && luhn(number)) return true;
      }
      return false;
    });
  });
}

/** What is wrong with one field, or nothing. */
function wrong(field, value, country) {
  const [, most = 1024, needed, form] = FIELDS[field];
  if (!value) return needed && "missing";
  if (/Name|^address|^city/.test(field) && holdsCardNumber(value)) return "is_card_number";
  // The schema has all of Unicode, the platform refuses what is not ASCII.
  if (!/^[ -~]*$/.test(value)) return "characters";
  if (value.length > most) return "too_long";
  const fine = form ? form.test(value) : field !== "postalCode" || country !== "US" || /^\d{5}(-?\d{4})?$/.test(value);
  return !fine && "malformed";
}

/** CCBill's `customerInfo`, and every problem. */
function read(customer) {
  if (!isObject(customer)) throw failure("type_invalid", "customer");
  const given = members(customer, ...Object.keys(FIELDS));
  const value = (field) => text(given[field], field)?.trim() || undefined;
  const info = {};
  const problems = [];
  for (const field of Object.keys(FIELDS)) {
    info[FIELDS[field][0] || field] = value(field);
    const code = wrong(field, value(field), value("country"));
    if (code) problems.push({ field, code, severity: "error", message: MESSAGES[code] });
  }
  return { info, problems };
}

export const checkCustomer = (customer) => read(customer).problems;

/** `customerInfo` of a request; the address is the session's where the page gives none. */
export function customerInfo(customer, address) {
  if (address !== undefined && !fits(address, IPV4)) throw failure("session_malformed", "ip_address");
  const { info, problems } = read(customer);
  if (problems.length) throw failure("customer_invalid", problems[0].field, { customerProblems: problems });
  info.ipAddress ??= address;
  return info;
}
