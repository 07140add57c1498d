/**
 * Typed arrays as JSON and back, in Node and in browsers: base64 of their bytes (little-endian).
 */
const TYPES = { Float32Array, Int32Array, Uint16Array };

export function toPlain(value) {
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    let text = '';
    for (let i = 0; i < bytes.length; i += 4096) {
      text += String.fromCharCode(...bytes.subarray(i, i + 4096));
    }
    return { $type: value.constructor.name, base64: btoa(text) };
  }
  if (Array.isArray(value)) return value.map(toPlain);
  if (typeof value === 'object' && value !== null) return mapValues(value, toPlain);
  return value;
}

export function fromPlain(value) {
  if (Array.isArray(value)) return value.map(fromPlain);
  if (typeof value !== 'object' || value === null) return value;
  if (!('$type' in value)) return mapValues(value, fromPlain);
  const bytes = Uint8Array.from(atob(value.base64), (char) => char.charCodeAt(0));
  return new TYPES[value.$type](bytes.buffer);
}

const mapValues = (object, change) =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
