export { ReportError } from './errors.ts';
export { markdownTable } from './markdown.ts';
export { formatNumber } from './numbers.ts';
export { renderPage } from './page.ts';
export type * from './types.ts';
