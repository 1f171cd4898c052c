// The platforms that the shop offers. Each describes itself in a file of its own, named by its id; the rest of the page
// asks these descriptions and names no platform.

const known = new Map();

/**
 * The descriptions of the platforms that the shop's server offers, in its order. Without facts the page takes the
 * server to offer GreenPay.
 */
export async function offered(facts) {
  const read = (facts?.offered ?? ['greenpay']).map(async (id) => {
    const { platform } = await import(`./platforms/${id}.js`);
    known.set(id, platform);
    return platform;
  });
  // One that this page has no file for cannot be chosen.
  const found = (await Promise.allSettled(read)).flatMap(({ value }) => value ?? []);
  if (found.length === 0) throw new Error('there is no description of any platform that the shop offers');
  return found;
}

/** The description of a platform; one that this page does not know offers nothing but its name. */
export function platformOf(id) {
  return known.get(id) ?? { id, name: id, ways: [], updates: false, parts: false };
}
