/** Cuts what a process prints into lines, whatever it prints. */

import { StringDecoder } from "node:string_decoder";

/** A part of a line that is longer counts as a line, so that no line takes all memory. */
export const MAX_LOG_LINE_CHARS = 16 * 1024;

export class LineCutter {
  readonly #decoder = new StringDecoder("utf8");
  readonly #take: (line: string) => void;
  readonly #maxChars: number;
  #rest = "";

  constructor(take: (line: string) => void, maxChars: number = MAX_LOG_LINE_CHARS) {
    this.#take = take;
    this.#maxChars = maxChars;
  }

  push(data: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(data)).split(/\r?\n/);
    const rest = lines.pop() ?? "";
    lines.forEach(this.#take);
    this.#rest = rest;
    if (rest.length > this.#maxChars) {
      this.end();
    }
  }

  /** What came after the last line end is a line too. */
  end(): void {
    if (this.#rest) {
      this.#take(this.#rest);
    }
    this.#rest = "";
  }
}
