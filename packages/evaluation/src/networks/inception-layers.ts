import type { Window } from './feature-map.ts';

/** One step inside a block. */
export type BlockPart =
  | {
      readonly kind: 'conv';
      /** Key name inside the block; empty for a block that is a single convolution. */
      readonly name: string;
      readonly outputs: number;
      readonly window: Window;
    }
  | { readonly kind: 'max' | 'average'; readonly name: ''; readonly window: Window };

/** Steps one after the other; with a fork, the last step is done in several ways side by side. */
export interface Tower {
  readonly parts: readonly BlockPart[];
  readonly fork?: readonly BlockPart[];
}

/** A block: towers side by side on the same input, their channels joined. */
export interface Layer {
  /** Key name. */
  readonly name: string;
  readonly towers: readonly Tower[];
  /** Whether sFID takes its features from the first tower. */
  readonly spatial?: boolean;
}

type Kernel = 1 | 3 | 5 | readonly [number, number];

/** A convolution; `same` padding unless it is said to be 0. */
function conv(name: string, outputs: number, kernel: Kernel, stride = 1, pad?: 0): BlockPart {
  const [kh, kw] = typeof kernel === 'number' ? [kernel, kernel] : kernel;
  const padding: [number, number] = pad === 0 ? [0, 0] : [(kh! - 1) / 2, (kw! - 1) / 2];
  return { kind: 'conv', name, outputs, window: { kernel: [kh!, kw!], stride, padding } };
}

const pool = (kind: 'max' | 'average', stride: 1 | 2): BlockPart => ({
  kind,
  name: '',
  window: { kernel: [3, 3], stride, padding: stride === 1 ? [1, 1] : [0, 0] },
});

const tower = (...parts: BlockPart[]): Tower => ({ parts });
const single = (name: string, part: BlockPart): Layer => ({ name, towers: [tower(part)] });

/** 35 x 35 (Szegedy et al. 2016, figure 5). */
const blockA = (name: string, poolFeatures: number): Layer => ({
  name,
  towers: [
    tower(conv('branch1x1', 64, 1)),
    tower(conv('branch5x5_1', 48, 1), conv('branch5x5_2', 64, 5)),
    tower(
      conv('branch3x3dbl_1', 64, 1),
      conv('branch3x3dbl_2', 96, 3),
      conv('branch3x3dbl_3', 96, 3),
    ),
    tower(pool('average', 1), conv('branch_pool', poolFeatures, 1)),
  ],
});

/** 17 x 17 (figure 6), with 7 x 7 convolutions taken apart. */
const blockC = (name: string, c: number, spatial = false): Layer => ({
  name,
  spatial,
  towers: [
    tower(conv('branch1x1', 192, 1)),
    tower(
      conv('branch7x7_1', c, 1),
      conv('branch7x7_2', c, [1, 7]),
      conv('branch7x7_3', 192, [7, 1]),
    ),
    tower(
      conv('branch7x7dbl_1', c, 1),
      conv('branch7x7dbl_2', c, [7, 1]),
      conv('branch7x7dbl_3', c, [1, 7]),
      conv('branch7x7dbl_4', c, [7, 1]),
      conv('branch7x7dbl_5', 192, [1, 7]),
    ),
    tower(pool('average', 1), conv('branch_pool', 192, 1)),
  ],
});

/** 8 x 8 (figure 7); the last of the two pools by maxima in the network of 2015. */
const blockE = (name: string, pooling: 'average' | 'max'): Layer => {
  const split = (prefix: string) => [
    conv(`${prefix}a`, 384, [1, 3]),
    conv(`${prefix}b`, 384, [3, 1]),
  ];
  return {
    name,
    towers: [
      tower(conv('branch1x1', 320, 1)),
      { parts: [conv('branch3x3_1', 384, 1)], fork: split('branch3x3_2') },
      {
        parts: [conv('branch3x3dbl_1', 448, 1), conv('branch3x3dbl_2', 384, 3)],
        fork: split('branch3x3dbl_3'),
      },
      tower(pool(pooling, 1), conv('branch_pool', 192, 1)),
    ],
  };
};

/** The network from its first layer to the last before the mean over pixels. */
export const INCEPTION_LAYERS: readonly Layer[] = [
  single('Conv2d_1a_3x3', conv('', 32, 3, 2, 0)),
  single('Conv2d_2a_3x3', conv('', 32, 3, 1, 0)),
  single('Conv2d_2b_3x3', conv('', 64, 3)),
  single('', pool('max', 2)),
  single('Conv2d_3b_1x1', conv('', 80, 1)),
  single('Conv2d_4a_3x3', conv('', 192, 3, 1, 0)),
  single('', pool('max', 2)),
  blockA('Mixed_5b', 32),
  blockA('Mixed_5c', 64),
  blockA('Mixed_5d', 64),
  {
    name: 'Mixed_6a',
    towers: [
      tower(conv('branch3x3', 384, 3, 2, 0)),
      tower(
        conv('branch3x3dbl_1', 64, 1),
        conv('branch3x3dbl_2', 96, 3),
        conv('branch3x3dbl_3', 96, 3, 2, 0),
      ),
      tower(pool('max', 2)),
    ],
  },
  blockC('Mixed_6b', 128),
  blockC('Mixed_6c', 160),
  blockC('Mixed_6d', 160, true),
  blockC('Mixed_6e', 192),
  {
    name: 'Mixed_7a',
    towers: [
      tower(conv('branch3x3_1', 192, 1), conv('branch3x3_2', 320, 3, 2, 0)),
      tower(
        conv('branch7x7x3_1', 192, 1),
        conv('branch7x7x3_2', 192, [1, 7]),
        conv('branch7x7x3_3', 192, [7, 1]),
        conv('branch7x7x3_4', 192, 3, 2, 0),
      ),
      tower(pool('max', 2)),
    ],
  },
  blockE('Mixed_7b', 'average'),
  blockE('Mixed_7c', 'max'),
];
