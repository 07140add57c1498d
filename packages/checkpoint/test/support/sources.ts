import { VqError } from '@vq4dit/core';
import { expect } from 'vitest';
import { type ByteSource, memorySource } from '../../src/index.ts';

/** A source that records what is read from it. */
export interface CountingSource extends ByteSource {
  bytesRead(): number;
  largestRead(): number;
  isClosed(): boolean;
}

export function countingSource(bytes: Uint8Array, name = 'test file'): CountingSource {
  const inner = memorySource(bytes, name);
  let total = 0;
  let largest = 0;
  let closed = false;
  return {
    name,
    size: inner.size,
    async read(offset, length) {
      const got = await inner.read(offset, length);
      total += length;
      largest = Math.max(largest, length);
      return got;
    },
    async close() {
      closed = true;
    },
    bytesRead: () => total,
    largestRead: () => largest,
    isClosed: () => closed,
  };
}

/** Runs `work`; an outcome is its value or a {@link VqError}, any other error is thrown. */
export async function valueOrVqError<T>(work: () => Promise<T>): Promise<T | VqError> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof VqError) return error;
    throw error;
  }
}

/** Compares bit patterns, so that NaN and -0 are what they are; fast for large arrays. */
export function expectSameBits<T extends Float32Array | Uint16Array>(actual: T, expected: T): void {
  expect(actual.length).toBe(expected.length);
  const same = Buffer.compare(bytesOf(actual), bytesOf(expected)) === 0;
  if (!same) expect(Array.from(actual)).toEqual(Array.from(expected));
  expect(same).toBe(true);
}

function bytesOf(array: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Compares large runs of bytes without the cost of comparing them as lists. */
export function expectSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  expect(actual.byteLength).toBe(expected.byteLength);
  const different = Buffer.compare(actual, expected) !== 0;
  expect(different ? actual.findIndex((byte, i) => byte !== expected[i]) : -1).toBe(-1);
}

export function fixture(name: string): string {
  return new URL(`../fixtures/${name}`, import.meta.url).pathname;
}
