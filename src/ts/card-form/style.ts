// How the form looks. The rules stand in a layer, so that any rule of the page wins over them, and every colour, size and
// font is a custom property. The sheet is adopted: `style-src 'self'` allows it, and nothing is fetched. Light or dark is
// the page's colour scheme, not the system's: on a page that is always light, a dark form could not be read. No container
// queries: Chromium loses the layout of a container in a fieldset.

const CSS = `@layer cardseal{
cardseal-card-form{display:block}
cardseal-card-form:defined>:not(.cardseal,.cardseal-frame){display:none}
.cardseal{
--_text:var(--cardseal-text,light-dark(#1a1c1f,#f1f2f4));
--_muted:var(--cardseal-muted,light-dark(#5a6068,#a9b0ba));
--_paper:var(--cardseal-background,light-dark(#fff,#1c1f24));
--_border:var(--cardseal-border,light-dark(#868d96,#7f8791));
--_accent:var(--cardseal-accent,light-dark(#1f5fd0,#86b1ff));
--_danger:var(--cardseal-danger,light-dark(#b3261e,#ff9a91));
--_danger-paper:var(--cardseal-danger-background,light-dark(#fdecea,#3a1f1d));
--_warning:var(--cardseal-warning,light-dark(#7a4d00,#f0be6b));
--_gap:var(--cardseal-gap,1rem);
--_radius:var(--cardseal-radius,.5rem);
--_height:var(--cardseal-height,2.75rem);
--_size:var(--cardseal-font-size,1rem);
color:var(--_text);
font-family:var(--cardseal-font,inherit);font-size:var(--_size);line-height:1.4;text-align:start;min-inline-size:0}
.cardseal[data-theme=light]{color-scheme:light}
.cardseal[data-theme=dark]{color-scheme:dark}
.cardseal *{box-sizing:border-box}
.cardseal p,.cardseal ul{margin:0;padding:0}
.cardseal-form{display:grid;gap:var(--_gap);margin:0}
.cardseal-pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,8.5rem),1fr));gap:0 var(--_gap);margin-block-end:calc(-1*var(--_gap))}
.cardseal-pair>.cardseal-field{display:grid;grid-row:span 4;grid-template-rows:subgrid;margin-block-end:var(--_gap)}
.cardseal-pair>.cardseal-field>label{align-self:end}
.cardseal-field{min-inline-size:0}
.cardseal [hidden]{display:none!important}
.cardseal-field>label,.cardseal-choice>legend{display:block;padding:0;margin-block-end:.3em;font-weight:var(--cardseal-label-weight,600);overflow-wrap:anywhere;hyphens:auto}
.cardseal-optional{font-weight:400;color:var(--_muted)}
.cardseal-control{display:flex;align-items:center;position:relative}
.cardseal-input{flex:1;scroll-margin:.75rem;inline-size:100%;min-inline-size:0;min-block-size:var(--_height);margin:0;padding:.4em .75em;
font:inherit;font-size:max(16px,1em);color:var(--cardseal-input-text,var(--_text));background:var(--_paper);
border:1px solid var(--_border);border-radius:var(--_radius);text-overflow:ellipsis}
.cardseal[dir=rtl] .cardseal-input{text-align:right}
.cardseal-input::placeholder{color:var(--_muted);opacity:1}
.cardseal-input:focus-visible,.cardseal-button:focus-visible,.cardseal-summary a:focus-visible,.cardseal-brand:focus-within,.cardseal-summary:focus,.cardseal-done:focus{outline:2px solid var(--_accent);outline-offset:1px}
.cardseal-input[aria-invalid]{border-color:var(--_danger);box-shadow:inset 0 0 0 1px var(--_danger)}
.cardseal-input:read-only:is(input),.cardseal-input:disabled,.cardseal-input[aria-disabled]{opacity:.65}
.cardseal-marks{position:absolute;inset-inline-end:.6em;display:flex;gap:.25em;pointer-events:none}
.cardseal-field[data-field=number] .cardseal-input{--_marks:3.4em;padding-inline-end:var(--_marks)}
.cardseal-field[data-field=number]:has(.cardseal-mark+.cardseal-mark) .cardseal-input{--_marks:5.9em}
.cardseal-field[data-field=number]:has(.cardseal-mark+.cardseal-mark+.cardseal-mark) .cardseal-input{--_marks:8.4em}
.cardseal[dir=rtl] .cardseal-field[data-field=number] .cardseal-input{padding-inline:var(--_marks) .75em}
.cardseal-mark{inline-size:2.2em;block-size:1.43em;flex:none;forced-color-adjust:none}
.cardseal-mark-blank{fill:#80808033;stroke:#80808080}
.cardseal-mark-stripe{fill:#80808099}
.cardseal-hint,.cardseal-note{font-size:.875em;margin-block-start:.3em!important;overflow-wrap:anywhere}
.cardseal-hint{color:var(--_muted)}
.cardseal-note{color:var(--_danger)}
.cardseal-note.cardseal-warning{color:var(--_warning)}
.cardseal-note:empty{display:none}
.cardseal-choice{border:0;margin:0;padding:0;min-inline-size:0}
.cardseal-brands{display:flex;flex-wrap:wrap;gap:.5em;margin-block-start:.4em}
.cardseal-brand{display:inline-flex;align-items:center;gap:.5em;min-block-size:var(--_height);padding:.3em .75em;
background:var(--_paper);border:1px solid var(--_border);border-radius:var(--_radius);cursor:pointer}
.cardseal-brand:has(:checked){border-color:var(--_accent);box-shadow:inset 0 0 0 1px var(--_accent)}
.cardseal-brand input{inline-size:1.5rem;block-size:1.5rem;margin:0;accent-color:var(--_accent)}
.cardseal-summary,.cardseal-notice:not(:empty){padding:.75em 1em;color:var(--_text);background:var(--_danger-paper);
border:1px solid var(--_danger);border-radius:var(--_radius);overflow-wrap:anywhere}
.cardseal-summary p{font-weight:600}
.cardseal-summary ul{list-style:none}
.cardseal-summary a{display:inline-block;min-block-size:1.5rem;padding-block:.15em;color:inherit;text-decoration:underline}
.cardseal-notice:not(:empty),.cardseal-status:not(:empty,.cardseal-unseen){margin-block-start:var(--_gap)!important}
.cardseal-status{color:var(--_muted)}
.cardseal-unseen{position:absolute;inline-size:1px;block-size:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap;margin:0!important}
.cardseal-done{display:flex;flex-wrap:wrap;align-items:center;gap:.75em;padding:.75em 1em;background:var(--_paper);
border:1px solid var(--_border);border-radius:var(--_radius)}
.cardseal-done span{flex:1 1 8em}
.cardseal-button{min-block-size:max(24px,2.25em);padding:.25em .9em;font:inherit;color:var(--_accent);background:none;
border:1px solid currentColor;border-radius:var(--_radius);cursor:pointer}
.cardseal-notice .cardseal-button{margin-block-start:.5em}
.cardseal-button:disabled{opacity:.65;cursor:default}
.cardseal-bank{position:fixed;inset:0;margin:auto;padding:1rem;inline-size:fit-content;block-size:fit-content;max-inline-size:100vw;max-block-size:100dvh;overflow:auto;
background:var(--_paper);color:var(--_text);border:1px solid var(--_border);border-radius:var(--_radius)}
.cardseal-bank::backdrop{background:#0009}
.cardseal-bank-title{margin:0 0 .75rem;font-size:1.125em;font-weight:600;overflow-wrap:anywhere}
.cardseal-bank-title:focus{outline:none}
.cardseal-bank-frame{display:block;max-inline-size:100%;margin:0 auto .75rem;border:0;background:#fff}
@media (prefers-reduced-motion:no-preference){.cardseal-input,.cardseal-brand{transition:border-color .12s,box-shadow .12s}}
@media (forced-colors:active){.cardseal-input[aria-invalid]{border-width:3px}.cardseal-brand:has(:checked){border-width:3px}
.cardseal-input:disabled,.cardseal-button:disabled{color:GrayText;opacity:1}}
}`;

/** A sheet belongs to the document that made it. */
const sheets = new WeakMap<Document, CSSStyleSheet>();

/** Gives the document or the shadow tree the rules, once. */
export function adopt(root: Document | ShadowRoot): void {
  const owner = root.ownerDocument ?? (root as Document);
  const { defaultView } = owner;
  if (!root.adoptedStyleSheets || !defaultView) return;
  const sheet = sheets.get(owner) ?? new defaultView.CSSStyleSheet();
  if (!sheets.has(owner)) sheet.replaceSync(CSS);
  sheets.set(owner, sheet);
  if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
