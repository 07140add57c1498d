import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FileFormatError, ModelError, NonFiniteError, VqError } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memorySource, openModel, openSafetensors } from '../src/index.ts';
import { readJsonObject } from '../src/model/json-file.ts';
import { assembleModel } from '../src/model/open-model.ts';
import {
  type EditableArtefact,
  editArtefact,
  randomLayer,
  temporaryFolder,
  writeTinyArtefact,
} from './support/models.ts';
import { valueOrVqError } from './support/sources.ts';

const folder = await temporaryFolder();
const valid = join(folder, 'valid');
// Codes of 6 bits for 50 codewords, so that 50 to 63 are codes without one; of 8 bits; of 3 bits.
const layers = [
  randomLayer('blocks.0.mlp.fc1', 128, 32, { k: 50, d: 2 }),
  randomLayer('blocks.0.attn.qkv', 96, 32, { groups: 3 }),
  randomLayer('blocks.1.attn.proj', 32, 32, { k: 5, d: 32 }),
  randomLayer('final_layer.linear', 32, 32, { k: 5, d: 32 }),
];
await writeTinyArtefact(valid, {
  layers: layers.map((weight) => ({ name: weight.name, load: async () => weight })),
});
let next = 0;

async function edited(edit: (artefact: EditableArtefact) => void): Promise<string> {
  const path = join(folder, `edited-${next++}`);
  await mkdir(path);
  return editArtefact(valid, path, edit);
}

const fc1 = 'blocks.0.mlp.fc1';

/** Replaces what a tensor is, or holds. */
function change(
  name: string,
  more: Partial<EditableArtefact['tensors'][number]>,
): (artefact: EditableArtefact) => void {
  return (artefact) => {
    expect(artefact.tensors.some((tensor) => tensor.name === name)).toBe(true);
    artefact.tensors = artefact.tensors.map((tensor) =>
      tensor.name === name ? { ...tensor, ...more } : tensor,
    );
  };
}

function remove(name: string): (artefact: EditableArtefact) => void {
  return (artefact) => {
    artefact.tensors = artefact.tensors.filter((tensor) => tensor.name !== name);
  };
}

it('an artefact that was taken apart and put together again is sound', async () => {
  const model = await openModel(await edited(() => {}));
  for (const weight of layers)
    expect((await model.readQuantized(weight.name)).codes).toEqual(weight.codes);
  await model.close();
});

describe('what the files say is refused when they are opened', () => {
  it.each<[string, (artefact: EditableArtefact) => void, RegExp]>([
    [
      'a newer format in config.json',
      ({ quantization }) => {
        quantization.format_version = 3;
      },
      /config\.json: quantization_config: format version 3 is newer than 2.*update vq4dit/,
    ],
    [
      'a newer format in the tensor file',
      ({ metadata }) => {
        metadata.format_version = '3';
      },
      /model\.safetensors: metadata: format version 3 is newer than 2.*update vq4dit/,
    ],
    [
      'another format in config.json than in the tensor file',
      ({ quantization }) => {
        quantization.format_version = 2;
      },
      /the metadata say format version 1, but .*config\.json says 2/,
    ],
    [
      'the format of uniform grids for layers of codewords',
      ({ quantization, metadata }) => {
        quantization.format_version = 2;
        metadata.format_version = '2';
      },
      /unknown field "groups"/,
    ],
    [
      'no format version',
      ({ quantization }) => {
        delete quantization.format_version;
      },
      /no format version nothing/,
    ],
    [
      'another method',
      ({ quantization }) => {
        quantization.quant_method = 'gptq';
      },
      /quantized as "gptq", not "vq4dit"; use the program that wrote it/,
    ],
    [
      'no quantization_config',
      ({ config }) => {
        delete config.quantization_config;
      },
      /no quantization_config/,
    ],
    [
      'a plain tensor file',
      (artefact) => {
        artefact.metadata = {};
      },
      /not that of a quantized model/,
    ],
    [
      'no layers',
      ({ metadata }) => {
        delete metadata.layers;
      },
      /the metadata has no layers/,
    ],
    [
      'layers that are no JSON',
      ({ metadata }) => {
        metadata.layers = '{';
      },
      /layers is not JSON/,
    ],
    ['a missing codebook', remove(`${fc1}.weight_codebook`), /weight_codebook" is missing/],
    ['missing codes', remove(`${fc1}.weight_codes`), /weight_codes" is missing/],
    [
      'codes of another length',
      change(`${fc1}.weight_codes`, { shape: [1535], data: () => new Uint8Array(1535) }),
      /weight_codes" is U8 \[1535\], but its layer needs U8 \[1536\]/,
    ],
    [
      'codes of another dtype',
      change(`${fc1}.weight_codes`, { dtype: 'I8' }),
      /is I8 \[1536\], but its layer needs U8/,
    ],
    [
      'another number of codewords',
      ({ layers: table }) => {
        table[fc1]!.k = 51;
      },
      /weight_codebook" is F16 \[1,50,2\], but its layer needs F16 \[1,51,2\]/,
    ],
    [
      'a code width that is not the least one',
      ({ layers: table }) => {
        table[fc1]!.bits = 8;
      },
      /codes of 8 bits, but 50 codewords take 6/,
    ],
    [
      'another bit order',
      ({ layers: table }) => {
        table[fc1]!.packing = 'msb-first';
      },
      /packed as "msb-first", but only "lsb-first" is known/,
    ],
    [
      'sub-vectors that do not fit into rows',
      ({ layers: table }) => {
        table[fc1]!.d = 3;
      },
      /sub-vectors of 3 weights in rows of 32/,
    ],
    [
      'sub-vectors that are longer than allowed',
      ({ layers: table }) => {
        Object.assign(table[fc1]!, { shape: [4, 1024], d: 1024 });
      },
      /has d 1024, which is not an integer from 1 to 256/,
    ],
    [
      'codebooks that do not divide the rows',
      ({ layers: table }) => {
        table[fc1]!.groups = 3;
      },
      /3 codebooks for 128 rows/,
    ],
    [
      'an impossible shape',
      ({ layers: table }) => {
        table[fc1]!.shape = [2 ** 40, 2 ** 40];
      },
      /needs a shape of rows and columns/,
    ],
    [
      'a number that is none',
      ({ layers: table }) => {
        table[fc1]!.k = '50';
      },
      /has k "50", which is not an integer/,
    ],
    [
      'a field that nobody knows',
      ({ layers: table }) => {
        table[fc1]!.scale = 2;
      },
      /unknown field "scale"/,
    ],
    [
      'another element type of the codebook',
      ({ layers: table }) => {
        table[fc1]!.codebook_dtype = 'F32';
      },
      /is F16 \[1,50,2\], but its layer needs F32/,
    ],
    [
      'a layer without an entry',
      ({ layers: table }) => {
        delete table[fc1];
      },
      /belongs to no layer/,
    ],
    [
      'the matrix beside its codes',
      ({ tensors }) => {
        const data = () => new Uint8Array(4);
        tensors.push({ name: `${fc1}.weight`, dtype: 'F32', shape: [1], data });
      },
      /is quantized, but its .* is there as well/,
    ],
    [
      'another shape than the model has',
      ({ layers: table }) => {
        table[fc1]!.shape = [32, 128];
      },
      /fc1\.weight has shape \[32, ?128\]|mlpRatio/,
    ],
    [
      'codewords that config.json does not know',
      ({ quantization }) => {
        delete quantization.config_for_layers;
      },
      /is said to have 256 codewords of 4 weights in "F16", but its tensors have 50 of 2 in F16/,
    ],
    [
      'a layer in config.json that is not quantized',
      ({ quantization }) => {
        Object.assign(quantization.config_for_layers as object, { 'blocks.1.mlp.fc1': {} });
      },
      /there is no quantized layer "blocks\.1\.mlp\.fc1"/,
    ],
    [
      'no number of parameters',
      ({ metadata }) => {
        metadata.total_parameters = 'many';
      },
      /must be numbers/,
    ],
    [
      'no digest',
      ({ metadata }) => {
        metadata.source_sha256 = 'abc';
      },
      /no SHA-256/,
    ],
  ])('%s', async (_what, edit, message) => {
    const error = await valueOrVqError(async () => openModel(await edited(edit)));
    expect(error).toSatisfy((e) => e instanceof FileFormatError || e instanceof ModelError);
    expect((error as VqError).message).toMatch(message);
  });

  it('a tensor file whose config.json is gone', async () => {
    const file = await openSafetensors(join(valid, 'model.safetensors'));
    expect(() => assembleModel({ path: 'x', files: [file] })).toThrow(
      /its config\.json must lie in the same folder/,
    );
    await file.close();
  });
});

describe('what the tensors hold is refused when they are read', () => {
  const open = async (edit: (artefact: EditableArtefact) => void) => openModel(await edited(edit));

  it('a code without a codeword', async () => {
    const data = () => new Uint8Array(1536).fill(0xff);
    const model = await open(change(`${fc1}.weight_codes`, { data }));
    for (const read of [
      () => model.readQuantized(fc1),
      () => model.readFloat32(`${fc1}.weight`),
      () => model.read(`${fc1}.weight`),
      () => model.readPacked(`${fc1}.weight`),
    ]) {
      await expect(read()).rejects.toThrow(FileFormatError);
      await expect(read()).rejects.toThrow(/code 63 at position 0 has no codeword.* has 50/);
    }
    await model.close();
  });

  it('unused bits that are set', async () => {
    // 11 codes of 3 bits are 33 bits: seven of the fifth byte are unused.
    const odd = randomLayer('y_embedder.embedding_table', 11, 32, { k: 5, d: 32 });
    const path = join(folder, 'odd');
    await writeTinyArtefact(path, { layers: [{ name: odd.name, load: async () => odd }] });
    const sound = await openModel(path);
    expect((await sound.readQuantized(odd.name)).codes).toEqual(odd.codes);
    await sound.close();
    const to = join(folder, 'odd-edited');
    await mkdir(to);
    await editArtefact(path, to, (artefact) => {
      const codes = artefact.tensors.find(({ name }) => name.endsWith('.weight_codes'))!;
      const bytes = codes.data() as Uint8Array;
      bytes[4]! |= 0x80;
    });
    const model = await openModel(to);
    for (const read of [
      () => model.readQuantized(odd.name),
      () => model.readPacked(`${odd.name}.weight`),
    ]) {
      await expect(read()).rejects.toThrow(/weight_codes.* must be zero/);
    }
    await model.close();
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('a codebook with %d', async (value) => {
    const halves = new Uint16Array(100);
    halves[7] = Number.isNaN(value) ? 0x7e00 : 0x7c00;
    const data = () => new Uint8Array(halves.buffer);
    const model = await open(change(`${fc1}.weight_codebook`, { data }));
    await expect(model.readQuantized(fc1)).rejects.toThrow(NonFiniteError);
    await expect(model.readPacked(`${fc1}.weight`)).rejects.toThrow(NonFiniteError);
    await expect(model.readQuantized(fc1)).rejects.toThrow(
      new RegExp(`weight_codebook" holds ${value} at element 7; codebooks must be finite`),
    );
    await model.close();
  });
});

describe('a damaged artefact', async () => {
  const tensors = new Uint8Array(await readFile(join(valid, 'model.safetensors')));
  const config = new Uint8Array(await readFile(join(valid, 'config.json')));
  const headerBytes = 8 + Number(new DataView(tensors.buffer).getBigUint64(0, true));

  /** Opens the two files and reads every tensor; only a VqError may come out. */
  async function readEverything(tensorBytes: Uint8Array, configBytes: Uint8Array) {
    return valueOrVqError(async () => {
      const json = await readJsonObject(memorySource(configBytes, 'config.json'));
      const file = await openSafetensors(memorySource(tensorBytes, 'model.safetensors'));
      const beside = { where: 'config.json', json };
      const model = assembleModel({ path: 'artefact', files: [file], beside });
      const outcomes = [];
      for (const name of model.names()) {
        outcomes.push(await valueOrVqError(() => model.readFloat32(name)));
      }
      for (const { name } of model.quantizedLayers()) {
        outcomes.push(await valueOrVqError(() => model.readQuantized(name)));
        outcomes.push(await valueOrVqError(() => model.readPacked(`${name}.weight`)));
      }
      return outcomes;
    });
  }

  const edits = fc.array(
    fc.record({
      at: fc.oneof(fc.nat(headerBytes), fc.nat(tensors.length)),
      // Digits and punctuation turn legal JSON into other legal JSON.
      byte: fc.oneof(fc.nat(255), fc.constantFrom(...Buffer.from('0123456789,:"{}[]'))),
    }),
    { minLength: 1, maxLength: 4 },
  );
  const apply = (bytes: Uint8Array, changes: readonly { at: number; byte: number }[]) => {
    const out = bytes.slice();
    for (const { at, byte } of changes) out[at % out.length] = byte;
    return out;
  };

  it('is sound before it is damaged', async () => {
    const outcomes = await readEverything(tensors, config);
    expect(outcomes).not.toBeInstanceOf(VqError);
    for (const outcome of outcomes as unknown[]) expect(outcome).not.toBeInstanceOf(VqError);
  });

  it('gives values or a named error, whatever bytes of its tensor file changed', async () => {
    const seen = { values: 0, errors: 0 };
    await fc.assert(
      fc.asyncProperty(edits, async (changes) => {
        const outcome = await readEverything(apply(tensors, changes), config);
        if (outcome instanceof VqError) seen.errors++;
        else seen.values++;
      }),
      { numRuns: 800 },
    );
    // Both must be common, or the changes are not worth much.
    expect(Math.min(seen.values, seen.errors)).toBeGreaterThan(50);
  });

  it('gives values or a named error, whatever bytes of its config changed', async () => {
    const seen = { values: 0, errors: 0 };
    await fc.assert(
      fc.asyncProperty(edits, async (changes) => {
        const outcome = await readEverything(tensors, apply(config, changes));
        if (outcome instanceof VqError) seen.errors++;
        else seen.values++;
      }),
      { numRuns: 800 },
    );
    expect(Math.min(seen.values, seen.errors)).toBeGreaterThan(50);
  });
});
