import type { HostMemory, Kernel } from '../device.ts';
import type { TensorInfo } from '../tf.ts';

/** square' = a square + (1 - a) g^2; value' = value - lr g / (sqrt(square') + eps). */
export function rmspropLoop(
  host: HostMemory,
  value: Kernel,
  grad: Kernel,
  square: Kernel,
  options: { learningRate: number; decay: number; epsilon: number },
): { value: TensorInfo; square: TensorInfo } {
  const { learningRate, decay, epsilon } = options;
  const fresh = 1 - decay;
  const valueInfo = host.allocate(value.shape, 'float32');
  const squareInfo = host.allocate(value.shape, 'float32');
  const newValue = host.values(valueInfo);
  const newSquare = host.values(squareInfo);
  const v = host.values(value.handle);
  const g = host.values(grad.handle);
  const s = host.values(square.handle);
  for (let i = 0; i < newValue.length; i++) {
    const slope = g[i]!;
    const mean = decay * s[i]! + fresh * slope * slope;
    newSquare[i] = mean;
    newValue[i] = v[i]! - (learningRate * slope) / (Math.sqrt(mean) + epsilon);
  }
  return { value: valueInfo, square: squareInfo };
}
