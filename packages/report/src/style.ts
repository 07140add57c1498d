/** The style of a report: one column, the system's fonts, light or dark as the reader has it. */
export const STYLE = `
:root { color-scheme: light dark; --page: #fff; --ink: #1b1f24; --faint: #59636e; --rule: #d1d9e0; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0d1117; --ink: #e6edf3; --faint: #9198a1; --rule: #3d444d; }
}
body { max-width: 84rem; margin: 2rem auto; padding: 0 1rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { line-height: 1.2; margin-bottom: 0.25rem; }
h2 { margin-top: 2.5rem; padding-bottom: 0.25rem; border-bottom: 1px solid var(--rule); }
p { max-width: 44rem; white-space: pre-line; }
.subtitle, figure > p, caption { color: var(--faint); }
figure { margin: 1.5rem 0; }
figcaption { font-size: 1.05rem; }
figure > p { margin: 0.25rem 0 0.75rem; }
figure > svg { display: block; max-width: 100%; height: auto; --plot-background: var(--page); }
svg text { white-space: pre; }
.legend { display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0.5rem 0; padding: 0;
  list-style: none; font-size: 0.875rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.8125rem; margin: 0.75rem 0; }
caption { text-align: left; padding-bottom: 0.5rem; }
th, td { padding: 0.3rem 0.5rem; border-bottom: 1px solid var(--rule); text-align: left;
  vertical-align: top; }
thead th { border-bottom-width: 2px; vertical-align: bottom; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tbody td:first-child { min-width: 10rem; }
.images th, .images td { border: 0; padding: 2px; vertical-align: middle; }
.images th { padding-right: 0.75rem; }
.images img { display: block; image-rendering: pixelated; }
summary { cursor: pointer; color: var(--faint); font-size: 0.875rem; }
`;
