// Masks what could be a card number in a platform's text: the rule for logs of src/redact.rs, which the server uses.

export const UUID = /(^|[^a-z\p{Nd}])((?=[\d-]{0,35}[a-f])[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})(?![a-z\p{Nd}])/iu;
/** What people put between groups of digits. */
export const BETWEEN = "[\\s\\-\\x85\\u2010-\\u2015\\u2212\\u200b./_\\xb7\\u2022]*";
const RUN = new RegExp(`\\p{Nd}(?:${BETWEEN}\\p{Nd}){11,}`, "gu");

/** With every run of twelve digits and more as asterisks, whatever stands between them; UUIDs are let be. */
export function mask(text) {
  const pieces = `${text ?? ""}`.split(UUID);
  let masked = "";
  for (let at = 0; at < pieces.length; at += 3) {
    const [plain, before = "", uuid = ""] = pieces.slice(at, at + 3);
    masked += (plain + before).replace(RUN, (run) => "*".repeat(run.match(/\p{Nd}/gu).length)) + uuid;
  }
  return masked;
}
