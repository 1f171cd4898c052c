// Numbers that every payment sandbox publishes. They are nobody's cards.

const year = String((new Date().getFullYear() + 4) % 100).padStart(2, '0');
const card = (number, label, cvc = '123') => ({ number, label, cvc, expiry: `12${year}`, holder: 'Ana Núñez', last4: number.slice(-4) });

export const APPROVED = [
  card('4242424242424242', 'Visa'),
  card('5555555555554444', 'Mastercard'),
  card('2223003122003222', 'MC 2-series'),
  card('378282246310005', 'Amex', '1234'),
  card('6011111111111117', 'Discover'),
  card('4532314168813859', 'Visa'),
];

/** GreenPay's documented decline cards. Two of them fail the check digit, which is only a warning here. */
export const DECLINED = [
  card('4094394314664828', 'Not enough money (51)'),
  card('4485970366452449', 'Do not honour (05)'),
  card('4539610492212483', 'Expired card (54)'),
  card('4929639391534299', 'Lost card (41)'),
  card('4716178359021988', 'Keep the card and call (43)'),
  card('4556500081329277', 'Pick up the card (04)'),
  card('4539790114303785', 'Refer to issuer (01)'),
  card('4319593393858768', 'Invalid merchant (03)'),
  card('4485684474633390', 'Invalid transaction (12)'),
  card('4024007189880601', 'Invalid amount (13)'),
  card('4916402417466144', 'Invalid card (14)'),
  card('4539935161849723', 'Enter again (19)'),
  card('4345967438617249', 'Bank not supported (31)'),
  card('4556710706281072', 'Wrong PIN (55)'),
  card('4556592228753727', 'Not allowed (58), bad check digit'),
  card('4929518506489375', 'BNCR 262, bad check digit'),
  card('4024007105223894', 'Cannot authorize (63)'),
  card('4716342493980323', 'Cannot authorize (65)'),
  card('4929597009464475', 'Cannot authorize (78)'),
  card('4539740270025870', 'Invalid terminal (89)'),
  card('4929942460623880', 'Issuer silent (91)'),
  card('4916869335186964', 'Not supported (96)'),
];
