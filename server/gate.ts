/**
 * Bounds what is under way, in requests and in bytes of their bodies: who comes when it is full is told to come again,
 * before anything of the body is read.
 */
export interface Gate {
  /** Undefined when it is full. One request fits in any case, or a limit below its size would lock it out for ever. */
  enter(bytes: number): Ticket | undefined;
  readonly requests: number;
  readonly bytes: number;
}

/** A place that is held until everything that needs the request has let go of it: its connection, and the work on it. */
export interface Ticket {
  hold(): () => void;
}

export function createGate(limits: { readonly maxRequests: number; readonly maxBytes: number }): Gate {
  let requests = 0;
  let held = 0;
  return {
    get requests() {
      return requests;
    },
    get bytes() {
      return held;
    },
    enter: (bytes) => {
      if (requests >= limits.maxRequests) return undefined;
      if (requests > 0 && held + bytes > limits.maxBytes) return undefined;
      requests++;
      held += bytes;
      let holders = 0;
      return {
        hold: () => {
          let released = false;
          holders++;
          return () => {
            if (released) return;
            released = true;
            if (--holders > 0) return;
            requests--;
            held -= bytes;
          };
        },
      };
    },
  };
}
