// How a platform lists the numbers that its sandbox publishes. They are nobody's cards.

const year = String((new Date().getFullYear() + 4) % 100).padStart(2, '0');

export const testCard = (number, label, cvc = '123', holder = 'Ana Núñez') => ({
  number,
  label,
  cvc,
  expiry: `12${year}`,
  holder,
  last4: number.slice(-4),
});
