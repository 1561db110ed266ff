import type { Budget, KeyState, State, Statement } from './state.ts';

/** What happens, in words, and the state after it. Each is atomic; between any two, anything else can happen. */
export interface Step {
  readonly what: string;
  readonly next: State;
}

export const nameOf = (key: number): string => String.fromCharCode(65 + key);

export function withKey(state: State, at: number, change: Partial<KeyState>): State {
  return { ...state, keys: state.keys.map((key, index) => (index === at ? { ...key, ...change } : key)) };
}

export function withKeys(state: State, change: (key: KeyState) => Partial<KeyState>): State {
  return { ...state, keys: state.keys.map((key) => ({ ...key, ...change(key) })) };
}

/** The state with one less of something that may happen. */
export function spend(state: State, what: keyof Budget): State {
  return { ...state, budget: { ...state.budget, [what]: state.budget[what] - 1 } };
}

/** They may come in any order, so theirs says nothing. */
export function withStrays(stray: readonly Statement[], more: readonly Statement[]): readonly Statement[] {
  if (more.length === 0) return stray;
  return [...stray, ...more.map(statementOf)].sort(
    (left, right) => left.version - right.version || (left.content ?? -9) - (right.content ?? -9),
  );
}

export function statementOf({ version, content, path }: Statement): Statement {
  return { version, content, path };
}

export function describeStatement({ version, content }: Pick<Statement, 'version' | 'content'>): string {
  return `version ${version}: ${describeContent(content)}`;
}

export function describeContent(content: number | null): string {
  if (content === null) return 'no entity';
  if (content > 0) return `state ${content}`;
  return content === 0 ? 'the state from before capture' : 'the last state without capture';
}

export function replaced<T>(list: readonly T[], at: number, item: T): readonly T[] {
  return list.map((each, index) => (index === at ? item : each));
}

export function without<T>(list: readonly T[], at: number): readonly T[] {
  return list.filter((_, index) => index !== at);
}
