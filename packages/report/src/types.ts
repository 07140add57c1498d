/** A whole report; {@link renderPage} makes one HTML file of it. */
export interface Page {
  readonly title: string;
  /** One line below the title: what was measured, when, on which machine. */
  readonly subtitle?: string;
  readonly sections: readonly Section[];
}

/** A part of a report under a heading of its own. */
export interface Section {
  readonly heading: string;
  /** Paragraphs are separated by an empty line. */
  readonly text?: string;
  readonly blocks: readonly Block[];
}

/** What a section consists of. */
export type Block =
  | TextBlock
  | TableBlock
  | LineBlock
  | ScatterBlock
  | HeatmapBlock
  | BarsBlock
  | HistogramBlock
  | ImagesBlock;

/** Plain text; paragraphs are separated by an empty line. */
export interface TextBlock {
  readonly kind: 'text';
  readonly text: string;
}

/** A table. Every row has as many cells as there are columns. */
export interface TableBlock {
  readonly kind: 'table';
  readonly caption?: string;
  readonly columns: readonly (string | Column)[];
  readonly rows: readonly (readonly Cell[])[];
}

/** A column of a table. */
export interface Column {
  readonly title: string;
  /** Significant digits of its numbers; 4 unless told. */
  readonly digits?: number;
}

/** Text, a number, or null where there is no value (shown as a dash); `strong` marks the best. */
export type Cell = string | number | null | StrongCell;

/** A cell in bold type. */
export interface StrongCell {
  readonly value: string | number | null;
  readonly strong: boolean;
}

/** An axis of a chart. A logarithmic one takes positive values only. */
export interface Axis {
  readonly label: string;
  readonly scale?: 'linear' | 'log';
}

/** What all charts have. */
export interface Chart {
  readonly title: string;
  /** A sentence below the title: what is to be seen. */
  readonly caption?: string;
}

/** Curves, each with an optional band around it. */
export interface LineBlock extends Chart {
  readonly kind: 'line';
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

/** One curve: points in the order in which they are joined. */
export interface Series {
  readonly name: string;
  readonly points: readonly CurvePoint[];
}

/** A point of a curve; `low` and `high` are the ends of its error band. */
export interface CurvePoint {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
}

/** Single points with labels, such as FID against size. */
export interface ScatterBlock extends Chart {
  readonly kind: 'scatter';
  readonly x: Axis;
  readonly y: Axis;
  readonly points: readonly ScatterPoint[];
}

/** A point of a scatter chart; points of one series have one colour and one symbol. */
export interface ScatterPoint {
  readonly x: number;
  readonly y: number;
  readonly label?: string;
  readonly series?: string;
}

/** A matrix of colours, such as the error of each layer. */
export interface HeatmapBlock extends Chart {
  readonly kind: 'heatmap';
  /** What the values are, with their unit. */
  readonly value: Axis;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** [rows][columns]; null where there is no value. */
  readonly values: readonly (readonly (number | null)[])[];
}

/** Horizontal bars, one below the other, in the order given. */
export interface BarsBlock extends Chart {
  readonly kind: 'bars';
  readonly value: Axis;
  /** Names of series in the order of their colours. Default: the order in which they come. */
  readonly seriesOrder?: readonly string[];
  readonly bars: readonly Bar[];
}

/** One bar; `low` and `high` are the ends of an error bar, `series` gives its colour. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  /** Bars of one group stand together under its name. */
  readonly group?: string;
  readonly series?: string;
  readonly low?: number;
  readonly high?: number;
}

/** How values are distributed; all series are counted in the same bins. */
export interface HistogramBlock extends Chart {
  readonly kind: 'histogram';
  readonly x: { readonly label: string };
  readonly series: readonly { readonly name: string; readonly values: readonly number[] }[];
  /** Number of bins of equal width between the smallest and the largest value; 30 unless told. */
  readonly bins?: number;
}

/** Rows of PNG images, such as samples of several models from the same noise. */
export interface ImagesBlock extends Chart {
  readonly kind: 'images';
  readonly rows: readonly ImageRow[];
  /** CSS pixels per image pixel, a positive integer; 1 unless told. Pixels stay sharp. */
  readonly zoom?: number;
}

/** Images side by side, with a name in front. */
export interface ImageRow {
  readonly label: string;
  readonly images: readonly ReportImage[];
}

/** An image and what it shows, for those who cannot see it. */
export interface ReportImage {
  /** The bytes of a PNG file. */
  readonly png: Uint8Array;
  readonly alt: string;
}
