/** The ten classes of Fashion-MNIST in label order: label `i` is `classNames[i]`. */
export const DEMO_CLASS_NAMES = [
  'T-shirt/top',
  'Trouser',
  'Pullover',
  'Dress',
  'Coat',
  'Sandal',
  'Shirt',
  'Sneaker',
  'Bag',
  'Ankle boot',
] as const;

/** Name of a Fashion-MNIST class. */
export type DemoClassName = (typeof DEMO_CLASS_NAMES)[number];

/** Where the demo model's files are. All locations are `file:` URLs on a plain installation. */
export interface DemoModel {
  /** PyTorch training checkpoint `{"ema": state dict, "args": ...}`, float32, facebook DiT names. */
  readonly checkpoint: URL;
  /** The constructor's arguments of the DiT (`input_size`, `patch_size`, ...) and `class_names`. */
  readonly config: URL;
  /** Small classifier that serves as feature network for FID, sFID, Inception Score, precision. */
  readonly features: URL;
  /** Feature statistics of the 10,000 test images, and the features themselves. */
  readonly reference: URL;
  /** Picture of samples from the floating-point model, one row per class. */
  readonly samples: URL;
  /** Bytes and SHA-256 of every file above. */
  readonly manifest: URL;
  /** Label `i` is `classNames[i]`; the null label of classifier-free guidance is 10. */
  readonly classNames: readonly DemoClassName[];
}

// `src` and `dist` are both one level below the package root, so one relative path serves both.
const data = (file: string) => new URL(`../data/${file}`, import.meta.url);

/** A DiT of 4.18 million parameters trained on Fashion-MNIST. See the model card, README.md. */
export const demoModel: DemoModel = {
  checkpoint: data('dit-fashion.pt'),
  config: data('config.json'),
  features: data('features.safetensors'),
  reference: data('reference-test10k.safetensors'),
  samples: data('samples.png'),
  manifest: data('manifest.json'),
  classNames: DEMO_CLASS_NAMES,
};
