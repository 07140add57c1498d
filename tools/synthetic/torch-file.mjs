import { crc32 } from 'node:zlib';
import { writeFileAtomic } from '@vq4dit/checkpoint';

/**
 * Writes a state dict as `torch.save` does since PyTorch 1.6: a zip archive of stored records, the
 * pickle first, then each tensor's elements, aligned to 64 bytes. Float32 only, one tensor at a time
 * in memory.
 *
 * @param {string} path
 * @param {{ name: string, shape: number[], data: () => Uint8Array }[]} tensors
 */
export async function writeTorchFile(path, tensors) {
  await writeFileAtomic(path, archive(tensors));
}

const ROOT = 'archive';
const ALIGNMENT = 64;
/** Larger archives need zip64 records. DiT-XL/2 takes 2.7 GB. */
const LARGEST = 2 ** 32 - 2 ** 20;

async function* archive(tensors) {
  const table = [];
  let at = 0;
  const record = (name, data) => {
    const path = Buffer.from(`${ROOT}/${name}`, 'utf8');
    // An extra field of no meaning fills up to the alignment, as PyTorch does it.
    const fill = (ALIGNMENT - ((at + 30 + path.length + 4) % ALIGNMENT)) % ALIGNMENT;
    const extra = Buffer.alloc(4 + fill);
    extra.write('FB', 'latin1');
    extra.writeUInt16LE(fill, 2);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x800, 2); // names are UTF-8
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(data.length, 18);
    fields.writeUInt16LE(path.length, 22);
    const entry = Buffer.alloc(14);
    entry.writeUInt32LE(at, 10);
    table.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fields, entry, path]));
    fields.writeUInt16LE(extra.length, 24);
    const head = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, path, extra]);
    at += head.length + data.length;
    if (at > LARGEST) throw new Error('The checkpoint is too large for a .pt; write .safetensors.');
    return head;
  };
  const pickle = stateDict(tensors);
  yield record('data.pkl', pickle);
  yield pickle;
  for (const [key, { data }] of tensors.entries()) {
    const bytes = data();
    yield record(`data/${key}`, bytes);
    yield bytes;
  }
  const version = Buffer.from('3\n');
  yield record('version', version);
  yield version;
  const contents = Buffer.concat(table);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(table.length, 8);
  end.writeUInt16LE(table.length, 10);
  end.writeUInt32LE(contents.length, 12);
  end.writeUInt32LE(at, 16);
  yield contents;
  yield end;
}

/** The pickle (protocol 2) of a dict of tensors, each with a storage of its own. */
function stateDict(tensors) {
  const entries = tensors.map(({ name, shape }, key) => [
    text(name),
    global('torch._utils', '_rebuild_tensor_v2'),
    '(', // the arguments: storage, offset, shape, strides, requires_grad, hooks
    ...['(', text('storage'), global('torch', 'FloatStorage')],
    ...[text(String(key)), text('cpu'), int(shape.reduce((a, b) => a * b, 1)), 't', 'Q'],
    int(0),
    ...['(', ...shape.map(int), 't'],
    ...['(', ...strides(shape).map(int), 't'],
    '\x89', // False
    ...[global('collections', 'OrderedDict'), ')', 'R'],
    ...['t', 'R'],
  ]);
  const pieces = ['\x80\x02', '}', '(', ...entries.flat(), 'u', '.'];
  return Buffer.concat(pieces.map((p) => (typeof p === 'string' ? Buffer.from(p, 'latin1') : p)));
}

function strides(shape) {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
}

const global = (module, name) => `c${module}\n${name}\n`;

function int(value) {
  const bytes = Buffer.from('J\0\0\0\0', 'latin1');
  bytes.writeInt32LE(value, 1);
  return bytes;
}

function text(value) {
  const utf8 = Buffer.from(value, 'utf8');
  const head = Buffer.from('X\0\0\0\0', 'latin1');
  head.writeUInt32LE(utf8.length, 1);
  return Buffer.concat([head, utf8]);
}
