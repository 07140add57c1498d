import { crc32, deflateRawSync } from 'node:zlib';

/** One record of a zip archive; the optional fields lie about it. */
export interface ZipRecord {
  readonly name: string;
  readonly data: Uint8Array;
  readonly deflate?: boolean;
  readonly flags?: number;
  /** What the table of contents claims. */
  readonly claimedSize?: number;
  readonly claimedOffset?: number;
  /** Size before unpacking, where that is claimed to be another one. */
  readonly claimedStoredSize?: number;
}

/**
 * Writes a zip archive as PyTorch does: stored records, then the table of contents; with `zip64`
 * in the form that files beyond 4 GB need.
 */
export function zip(
  records: readonly ZipRecord[],
  claimedCount = records.length,
  zip64 = false,
): Uint8Array {
  const bodies: Buffer[] = [];
  const table: Buffer[] = [];
  let at = 0;
  for (const record of records) {
    const name = Buffer.from(record.name, 'utf8');
    const data = record.deflate ? deflateRawSync(record.data) : Buffer.from(record.data);
    const stored = record.claimedStoredSize ?? record.claimedSize ?? data.byteLength;
    const unpacked = record.claimedSize ?? record.data.byteLength;
    // Fields that a local header and an entry of the table share.
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(record.flags ?? 0x800, 2);
    shared.writeUInt16LE(record.deflate ? 8 : 0, 4);
    shared.writeUInt32LE(crc32(record.data), 10);
    shared.writeUInt32LE(stored, 14);
    shared.writeUInt32LE(unpacked, 18);
    shared.writeUInt16LE(name.byteLength, 22);
    bodies.push(Buffer.from('PK\x03\x04', 'latin1'), shared, name, data);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(record.claimedOffset ?? at, 10);
    const entry = Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), shared, rest, name]);
    table.push(zip64 ? wideEntry(entry, stored, unpacked, at) : entry);
    at += 30 + name.byteLength + data.byteLength;
  }
  const contents = Buffer.concat(table);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(claimedCount, 8);
  end.writeUInt16LE(claimedCount, 10);
  end.writeUInt32LE(contents.byteLength, 12);
  end.writeUInt32LE(at, 16);
  const wide = zip64 ? wideEnd(claimedCount, contents.byteLength, at) : Buffer.alloc(0);
  return new Uint8Array(Buffer.concat([...bodies, contents, wide, end]));
}

/** Moves sizes and offset of an entry into an extra field of 64-bit numbers. */
function wideEntry(entry: Buffer, stored: number, unpacked: number, offset: number): Buffer {
  const extra = Buffer.alloc(28);
  extra.writeUInt16LE(1, 0);
  extra.writeUInt16LE(24, 2);
  for (const [i, value] of [unpacked, stored, offset].entries()) {
    extra.writeBigUInt64LE(BigInt(value), 4 + 8 * i);
  }
  for (const at of [20, 24, 42]) entry.writeUInt32LE(0xffffffff, at);
  entry.writeUInt16LE(extra.byteLength, 30);
  return Buffer.concat([entry, extra]);
}

/** The end of the table in 64-bit numbers, and the record that points to it. */
function wideEnd(count: number, size: number, offset: number): Buffer {
  const end = Buffer.alloc(56);
  end.write('PK\x06\x06', 'latin1');
  for (const [at, value] of [
    [4, 44],
    [24, count],
    [32, count],
    [40, size],
    [48, offset],
  ]) {
    end.writeBigUInt64LE(BigInt(value), at);
  }
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 'latin1');
  locator.writeBigUInt64LE(BigInt(offset + size), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([end, locator]);
}

/** The records of a checkpoint: its pickle and its storages, named by their order. */
export function checkpointRecords(
  pickle: Uint8Array,
  storages: readonly Uint8Array[] = [],
  extra: readonly ZipRecord[] = [],
): ZipRecord[] {
  return [
    { name: 'archive/data.pkl', data: pickle },
    ...storages.map((data, key) => ({ name: `archive/data/${key}`, data })),
    ...extra,
    { name: 'archive/version', data: Buffer.from('3\n') },
  ];
}
