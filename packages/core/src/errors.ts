/**
 * Every error this project raises on purpose is a {@link VqError}: one sentence that says what was
 * wrong, where, and what to do about it. Anything else that reaches the user is a bug.
 */
export class VqError extends Error {
  override readonly name: string = 'VqError';
}

/** A shape, axis or element count that does not fit the operation. */
export class ShapeError extends VqError {
  override readonly name = 'ShapeError';
}

/** A tensor of the wrong element type. */
export class DTypeError extends VqError {
  override readonly name = 'DTypeError';
}

/** An index outside the range that it is used in; found on the host, before a kernel runs. */
export class IndexError extends VqError {
  override readonly name = 'IndexError';
}

/** A tensor used, or disposed again, after it was disposed; or used on another backend. */
export class TensorLifetimeError extends VqError {
  override readonly name = 'TensorLifetimeError';
}

/** The only way in which a backend may refuse an operation. */
export class UnsupportedOpError extends VqError {
  override readonly name = 'UnsupportedOpError';
}

/** No backend could be started; the message lists every candidate with its reason. */
export class BackendUnavailableError extends VqError {
  override readonly name = 'BackendUnavailableError';
}

/** NaN or infinity where only finite numbers make sense. */
export class NonFiniteError extends VqError {
  override readonly name = 'NonFiniteError';
}

/** An option or argument outside its legal range. */
export class ArgumentError extends VqError {
  override readonly name = 'ArgumentError';
}

/** A file that is not what it claims to be: truncated, inconsistent, hostile or of a newer format. */
export class FileFormatError extends VqError {
  override readonly name = 'FileFormatError';
}

/** A file that cannot be opened or read at all: missing, not permitted, not a regular file. */
export class InputError extends VqError {
  override readonly name = 'InputError';
}

/** A file or folder that cannot be written: disk full, not permitted, in the way of another one. */
export class OutputError extends VqError {
  override readonly name = 'OutputError';
}

/** A checkpoint that is well-formed but does not hold the model it should. */
export class ModelError extends VqError {
  override readonly name = 'ModelError';
}

/** Work that was stopped through its `AbortSignal`; finished parts are kept. */
export class InterruptedError extends VqError {
  override readonly name = 'InterruptedError';
}

/** A device that has no room for one more tensor; what it already holds stays usable. */
export class OutOfDeviceMemoryError extends VqError {
  override readonly name = 'OutOfDeviceMemoryError';
}

/** A device that failed while it ran: what it held is lost, and it takes no more work. */
export class DeviceLostError extends VqError {
  override readonly name = 'DeviceLostError';
}
