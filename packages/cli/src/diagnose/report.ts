import type { Block, Page, TableBlock } from '@vq4dit/report';
import type { Finding } from './run.ts';

/** Names of the columns of ranks: `ranks[i]` is the share of the i-th nearest, the last of the rest. */
export function rankNames(count: number): string[] {
  const names = ['nearest', '2nd nearest', '3rd nearest', '4th nearest'].slice(0, count - 1);
  return [...names, 'any other'];
}

/** One line for each quantized model. */
export function findingsTable(findings: readonly Finding[]): TableBlock {
  const most = Math.max(...findings.map(({ ranks }) => ranks?.length ?? 0));
  const percent = (share: number | undefined) =>
    share === undefined ? null : `${(100 * share).toFixed(1)} %`;
  return {
    kind: 'table',
    caption: 'Gradients of sub-vectors, and which candidates they use',
    columns: [
      'model',
      'cosine, same codeword',
      'cosine, any two',
      'opposed pairs',
      ...rankNames(most),
    ],
    rows: findings.map(({ title, shared, all, opposed, ranks }) => [
      title,
      shared,
      all,
      percent(opposed),
      ...Array.from({ length: most }, (_, i) => percent(ranks?.[i])),
    ]),
  };
}

/** The page with both figures. */
export function diagnosisPage(findings: readonly Finding[], subtitle: string): Page {
  const ranked = findings.filter(({ ranks }) => ranks);
  const gradients: Block[] = [
    findingsTable(findings),
    {
      kind: 'histogram',
      title: 'Cosine between gradients of two sub-vectors with one codeword',
      caption:
        'Pairs drawn from all layers. Weight at the right means that a codeword can follow all that use it.',
      x: { label: 'cosine' },
      bins: 40,
      series: findings.map(({ title, layers }) => ({
        name: title,
        values: layers.flatMap(({ sample }) => sample),
      })),
    },
    {
      kind: 'heatmap',
      title: 'Mean cosine by layer',
      value: { label: 'mean cosine, same codeword' },
      columns: findings.map(({ title }) => title),
      rows: findings[0]!.layers.map(({ name }) => name),
      values: findings[0]!.layers.map((_, i) =>
        findings.map(({ layers }) => finite(layers[i]!.shared)),
      ),
    },
  ];
  const ranks: Block[] =
    ranked.length === 0
      ? []
      : [
          {
            kind: 'bars',
            title: 'Which candidate the sub-vectors use after calibration',
            caption: 'Ranked by distance to the codebook that calibration began with.',
            value: { label: 'share of sub-vectors' },
            bars: ranked.flatMap(({ title, ranks }) =>
              ranks!.map((value, i) => ({
                ...{ label: rankNames(ranks!.length)[i]!, value, group: title, series: title },
              })),
            ),
          },
        ];
  return {
    title: 'Why assignments are calibrated',
    subtitle,
    sections: [
      {
        heading: 'Gradients of sub-vectors that share a codeword',
        text: 'A codeword learns from the sum of the gradients of its sub-vectors. The gradients are those of the block-output error on a trajectory from noise that no calibration uses.',
        blocks: gradients,
      },
      ...(ranks.length > 0 ? [{ heading: 'Chosen candidates', blocks: ranks }] : []),
    ],
  };
}

const finite = (value: number) => (Number.isFinite(value) ? value : null);
