/**
 * A number for people, the same everywhere: `digits` significant ones, with thousands separated by
 * thin spaces from 10,000 on, and powers of ten where plain digits would be many zeros.
 */
export function formatNumber(value: number, digits = 4): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const magnitude = Math.abs(value);
  if (magnitude < 1e-3 || magnitude >= 1e7) return value.toExponential(Math.max(0, digits - 1));
  if (Number.isInteger(value) && magnitude < 1e7) return grouped(String(value));
  const rounded = Number(value.toPrecision(digits));
  if (Math.abs(rounded) >= 10 ** digits) return grouped(String(rounded));
  const places = digits - 1 - Math.floor(Math.log10(Math.abs(rounded)));
  return grouped(rounded.toFixed(Math.min(20, Math.max(0, places))));
}

function grouped(text: string): string {
  const [whole = '', fraction] = text.split('.');
  const short = whole.replace('-', '').length < 5;
  const head = short ? whole : whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return fraction === undefined ? head : `${head}.${fraction}`;
}
