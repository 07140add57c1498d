import { join } from 'node:path';
import { totalQuantizedSize } from '@vq4dit/core';
import { writeFileAtomic } from '../io/atomic-file.ts';
import { writeFolderAtomic } from '../io/atomic-folder.ts';
import { writeSafetensors } from '../safetensors/write.ts';
import { checkJob } from './check-job.ts';
import { describeModel, describeTensors } from './describe-job.ts';
import { encodeLayers, keptTensors } from './encode-layers.ts';
import { ARTEFACT_TENSORS, CONFIG_FILE, isUniform } from './format.ts';
import type { ArtefactJob, ArtefactResult } from './job.ts';
import { layerSize } from './layer-size.ts';
import { Spool } from './spool.ts';

/**
 * Writes a quantized model as a folder with `model.safetensors` and `config.json`, atomically and
 * one layer at a time. Equal input gives equal bytes.
 *
 * Tensors of the source that the model has no use for are not copied.
 *
 * @throws ArgumentError for a job that contradicts itself or the model
 * @throws NonFiniteError where a codebook or a bias holds NaN or infinity
 * @throws OutputError where the folder cannot be written
 * @throws InterruptedError where the signal is aborted
 */
export async function writeArtefact(path: string, job: ArtefactJob): Promise<ArtefactResult> {
  const ordered = checkJob(job);
  const options = job.signal ? { signal: job.signal } : {};
  let result: ArtefactResult | undefined;
  await writeFolderAtomic(
    path,
    async (folder) => {
      const spool = await Spool.create(join(folder, '.codes'));
      try {
        const { tensors, layers } = await encodeLayers(path, ordered, spool);
        const size = totalQuantizedSize(layers.map(layerSize));
        await writeSafetensors(
          join(folder, ARTEFACT_TENSORS),
          [...tensors, ...keptTensors(ordered)],
          describeTensors(ordered, layers, size, await job.model.sha256()),
          options,
        );
        const config = `${JSON.stringify(describeModel(ordered, layers), undefined, 2)}\n`;
        await writeFileAtomic(join(folder, CONFIG_FILE), [Buffer.from(config, 'utf8')], options);
        const asked = job.codebookDType ?? 'F16';
        const widened = layers.filter((layer) =>
          isUniform(layer) ? layer.scaleDType !== 'F16' : layer.codebookDType !== asked,
        );
        result = {
          bytes: size.bytes,
          bitsPerWeight: size.bitsPerWeight,
          quantizedWeights: size.weights,
          layers,
          widened: widened.map(({ name }) => name),
        };
      } finally {
        await spool.remove();
      }
    },
    options,
  );
  return result!;
}
