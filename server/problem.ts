/** An answer that is no result: https://www.rfc-editor.org/rfc/rfc9457 */
export interface ProblemBody {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
}

const TITLES = {
  400: 'Malformed request',
  401: 'Token missing or wrong',
  403: 'Not from here',
  404: 'No such place',
  405: 'Method not allowed',
  408: 'Request too slow',
  413: 'Request too large',
  415: 'Media type not taken',
  429: 'Too many changes',
  500: 'Defect',
  503: 'Not now',
} as const;

export type ProblemStatus = keyof typeof TITLES;

export const PROBLEM_MEDIA_TYPE = 'application/problem+json';

/** Ends a request; the server answers it as it is. */
export class Problem extends Error {
  readonly status: ProblemStatus;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ProblemStatus, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.headers = headers;
  }

  get body(): ProblemBody {
    return { status: this.status, title: TITLES[this.status], detail: this.message };
  }
}

/** Whole seconds, at least one: what the header can say. */
export function retryAfter(ms: number): Readonly<Record<string, string>> {
  return { 'retry-after': String(Math.max(1, Math.ceil(ms / 1_000))) };
}
