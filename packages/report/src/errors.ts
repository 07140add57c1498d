import { VqError } from '@vq4dit/core';

/** A report that cannot be drawn as asked: no points, a value that is not a number, a broken image. */
export class ReportError extends VqError {
  override readonly name = 'ReportError';
}
