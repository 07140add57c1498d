/**
 * Sets the variables that TensorFlow and CUDA read once, when they are loaded. What the user has set
 * is kept, except for TF32: a rounding that nobody asked for would be a silent one.
 *
 * - `NVIDIA_TF32_OVERRIDE=0` makes cuBLAS and cuDNN multiply float32 as float32. Without it
 *   TensorFlow rounds the inputs of products to 11 bits on GPUs from Ampere on.
 * - `TF_FORCE_GPU_ALLOW_GROWTH`: otherwise TensorFlow takes all memory of the GPU at once.
 * - `TF_CPP_MIN_LOG_LEVEL=2`: errors only, on stderr.
 * - `TF_ENABLE_ONEDNN_OPTS=0`: as fast here, and spares a message that no level of logging removes.
 *
 * @param env the process's environment, changed in place
 * @param tf32 true: leave it to CUDA whether products are rounded to TF32
 */
export function prepareEnvironment(env: Record<string, string | undefined>, tf32: boolean): void {
  if (!tf32) env.NVIDIA_TF32_OVERRIDE = '0';
  env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
  env.TF_CPP_MIN_LOG_LEVEL ??= '2';
  env.TF_ENABLE_ONEDNN_OPTS ??= '0';
}
