import { copyFile, mkdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { writeFileAtomic } from '@vq4dit/checkpoint';
import { type Block, markdownTable, type Page, renderPage, type Section } from '@vq4dit/report';
import { sizeOnDisk } from '../model-size.ts';
import {
  fidAgainstImages,
  fidAgainstSize,
  imageRows,
  layerErrors,
  timestepErrors,
} from './charts.ts';
import { machineText } from './machine.ts';
import type { MeasureSettings } from './plan.ts';
import { psnrOfCells } from './psnr.ts';
import { type Row, rowsOf } from './rows.ts';
import type { Outcome } from './run.ts';
import { comparisonTable, headlineTable } from './table.ts';

/** What a report says about how it was made. */
export interface ReportContext {
  readonly out: string;
  readonly command: string;
  readonly measure: MeasureSettings;
  readonly quick: boolean;
}

/** Files of a report, in the folder of the comparison. */
export const REPORT_FILES = { json: 'report.json', markdown: 'report.md', html: 'report.html' };

/** Writes the three forms of the report of what is there so far. */
export async function writeReport(context: ReportContext, outcome: Outcome): Promise<Row[]> {
  const { out } = context;
  const { results, failed, left } = outcome;
  const paths = new Map(results.map(({ model, modelPath }) => [model, modelPath]));
  const sizes = new Map<string, number>();
  for (const [model, path] of paths) sizes.set(model, await sizeOnDisk(path));
  const rows = rowsOf(results, sizes, await psnrOfCells(results));
  const machine = machineText();
  const settings = settingsText(context, outcome);
  const sections: Section[] = [];
  const markdown = [`# Comparison`, `${machine}. Command: \`${context.command}\`.`, ...settings];
  for (const model of paths.keys()) {
    const own = rows.filter((row) => row.model === model);
    const table = comparisonTable(own, `${model}, ${own[0]!.images} images a cell`);
    const headline = headlineTable(own);
    const blocks: Block[] = [table, ...(headline ? [headline] : [])];
    blocks.push(...fidAgainstSize(own), ...fidAgainstImages(own), ...(await imageRows(own)));
    blocks.push(...layerErrors(own), ...timestepErrors(own));
    sections.push({ heading: model, blocks });
    const pictures = await copyPictures(out, own);
    markdown.push(`## ${model}`, markdownTable(table));
    if (headline) markdown.push(`${headline.caption}:`, markdownTable(headline));
    markdown.push('Images from the same noise:', ...pictures);
  }
  sections.push({ heading: 'How it was measured', text: settings.join('\n\n'), blocks: [] });
  const page: Page = {
    title: 'Comparison of quantization methods',
    subtitle: `${machine}. ${context.command}`,
    sections,
  };
  const json = {
    ...{ machine, command: context.command, quick: context.quick },
    ...{ measure: context.measure, left, failed },
    rows: rows.map(({ cells, ...row }) => ({ ...row, cells: cells.map(({ id }) => id) })),
    cells: results,
  };
  await writeText(
    join(out, REPORT_FILES.json),
    `${withoutFolder(JSON.stringify(json, null, 2))}\n`,
  );
  await writeText(join(out, REPORT_FILES.markdown), `${markdown.join('\n\n')}\n`);
  if (sections.length > 1) await writeText(join(out, REPORT_FILES.html), renderPage(page));
  return rows;
}

/** Paths below the current folder as one would type them, so that a report says nothing of its machine. */
function withoutFolder(json: string): string {
  const here = JSON.stringify(`${process.cwd()}${sep}`).slice(1, -1);
  return json.replaceAll(`"${here}`, '"');
}

const writeText = (path: string, text: string) =>
  writeFileAtomic(path, [new TextEncoder().encode(text)]);

/** Paragraphs on how the figures were made. */
function settingsText(context: ReportContext, { results, failed, left }: Outcome): string[] {
  const { measure, quick } = context;
  const guidance = measure.guidance === 1 ? 'no guidance' : `guidance ${measure.guidance}`;
  const lines = [
    `Images: ${measure.samples} a cell by ${measure.sampler.toUpperCase()} in ${measure.steps} steps, ${guidance}, all classes in turn, the same noise in every cell (seed ${measure.evalSeed}), which no calibration uses.`,
    `Block and noise MSE: along the original's trajectories, ${measure.errorSteps} steps, ${measure.errorRepeats} images of each of up to ten classes. PSNR: the first images against the original's from the same noise. Time and peak memory: the quantization alone, in a process of its own. True bits: codes and codebooks, scales and zero points, per quantized weight. Bold: the best at its rate.`,
  ];
  if (quick) {
    lines.unshift(
      'This is a quick run: few images, few sampling steps and short calibrations. It shows that everything works and roughly who wins; FID of so few images is too high for all, and calibrated methods can do better than this.',
    );
  }
  lines.push(...timesText(results));
  if (left > 0) lines.push(`${left} cells are still to be done.`);
  for (const { id, reason } of failed) lines.push(`${id} failed: ${reason}`);
  return lines;
}

/** Where the quantizations ran that the times are of. */
function timesText(results: Outcome['results']): string[] {
  const cells = new Map<string, number>();
  for (const { quantize } of results) {
    if (quantize) cells.set(quantize.machine, (cells.get(quantize.machine) ?? 0) + 1);
  }
  if (cells.size === 0) return [];
  const places = [...cells].map(([machine, n]) => `${n} cells on ${machine}`);
  const several = cells.size > 1 ? ' Times compare only where these are alike.' : '';
  return [`Times: ${places.join('; ')}.${several}`];
}

/** The pictures beside the report, so that its folder can be moved without the cells. */
async function copyPictures(out: string, rows: readonly Row[]): Promise<string[]> {
  await mkdir(join(out, 'images'), { recursive: true });
  return Promise.all(
    rows.map(async ({ model, method, bits, title, cells }) => {
      const name = `${[model, method, ...(bits === undefined ? [] : [`${bits}bit`])].join('-')}.png`;
      await copyFile(cells[0]!.grid, join(out, 'images', name));
      const label = bits === undefined ? title : `${title}, ${bits} bit`;
      return `${label}:\n\n![ten images drawn by ${label}](images/${name})`;
    }),
  );
}
