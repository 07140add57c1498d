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

/** Writes a zip archive as PyTorch does: stored records, then the table of contents. */
export function zip(records: readonly ZipRecord[], claimedCount = records.length): Uint8Array {
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
    table.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), shared, rest, name);
    at += 30 + name.byteLength + data.byteLength;
  }
  const contents = Buffer.concat(table);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(claimedCount, 8);
  end.writeUInt16LE(claimedCount, 10);
  end.writeUInt32LE(contents.byteLength, 12);
  end.writeUInt32LE(at, 16);
  return new Uint8Array(Buffer.concat([...bodies, contents, end]));
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
