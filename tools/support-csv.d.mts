/** What a backend says of one workload. */
export interface SupportLine {
  readonly op: string;
  readonly params: string;
  readonly way: string;
  readonly message: string;
}
export declare const supportFolder: URL;
export declare function readSupport(id: string): SupportLine[];
export declare function parseSupport(text: string): SupportLine[];
export declare function writeSupport(id: string, rows: readonly SupportLine[]): void;
