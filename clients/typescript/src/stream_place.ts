/** Where an event stream stands, and what to do when it breaks. */

import { type LanspreadError, NO_ANSWER, RESUME_TOKEN_EXPIRED } from "./errors.js";
import type { WatchEventsResponse } from "./generated/lanspread/peer/v1/events.js";

const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2000;
export const MAX_TRIES = 8;

/**
 * After `receive` for every message and `pauseAfter` for an error, `resumeToken` is what the next
 * stream must ask for.
 */
export class StreamPlace {
  #resumeToken: string;
  #tries = 0;

  constructor(resumeToken: string) {
    this.#resumeToken = resumeToken;
  }

  get resumeToken(): string {
    return this.#resumeToken;
  }

  receive(message: Pick<WatchEventsResponse, "resumeToken">): void {
    this.#resumeToken = message.resumeToken || this.#resumeToken;
    this.#tries = 0;
  }

  /** Milliseconds to wait before the next try; throws `error` when there is none. */
  pauseAfter(error: LanspreadError, isRunning: boolean): number {
    if (error.reason === RESUME_TOKEN_EXPIRED && this.#resumeToken) {
      this.#resumeToken = "";
      return 0;
    }
    this.#tries += 1;
    if (error.reason !== NO_ANSWER || this.#tries > MAX_TRIES || !isRunning) {
      throw error;
    }
    return Math.min(FIRST_PAUSE_MS * 2 ** (this.#tries - 1), MAX_PAUSE_MS);
  }
}
