import type { Cluster, Command, Redis } from 'ioredis';
import { ChangeoverError } from '../../../core/errors.ts';
import { onRetry } from '../client/pipeline-retries.ts';
import { countFollowers, hasBytes, noteBytes, type Stream } from '../client/pipeline-stream.ts';
import type { Script } from '../client/script.ts';
import { ScriptKnowledge } from '../client/script-knowledge.ts';
import { fenceOf, type Layout } from '../layout.ts';
import { answerError, type Original } from './errors.ts';
import type { RedisMapping } from './mapping.ts';
import { OpenTransaction } from './open-transaction.ts';
import type { Plan, Word } from './plan.ts';
import { PLANNERS } from './plans.ts';
import { planOther } from './refusals.ts';

/** The node is where the pipeline of a cluster goes. */
export type Send = (command: Command, stream?: Stream, node?: object) => unknown;

/** No server knows it: in a transaction it makes EXEC fail, as any other wrong command. */
const REFUSED = 'changeover.refused';

type CapturePlan = Plan & { readonly type: 'capture' };

/** A command of the application that a call of the script answers. */
interface Part {
  readonly original: Original;
  readonly resolve: Command['resolve'];
  readonly reject: Command['reject'];
}

export interface RewriterContext {
  readonly layout: Layout;
  readonly mapping: RedisMapping;
  readonly script: Script;
  /** The bare client. */
  readonly redis: Redis | Cluster;
}

const NO_OPEN_TRANSACTION: Exclude<Plan, CapturePlan> = {
  type: 'refuse',
  error: new ChangeoverError('unsupported', 'MULTI without a pipeline cannot be sent to a Redis Cluster.', {
    hint: 'Use multi() with a chain of commands: they are sent to the node of their slot together.',
  }),
};

/**
 * Turns commands into calls of the script, in place, so that ioredis does with them all that it would have done: queues,
 * pipelines, timeouts, replies.
 *
 * The first call on a connection brings the script's text, the others its name.
 */
export class CommandRewriter {
  readonly #context: RewriterContext;
  /** Of the changes' origin. */
  readonly #origin: string;
  /** What has been looked at: ioredis sends a command again after a reconnection. */
  readonly #seen = new WeakSet<Command>();
  readonly #underWay = new Set<Command>();
  /** Answered by others, or already. */
  readonly #unsent = new WeakSet<Command>();
  /** How many follow a command that was not sent yet. */
  readonly #leads = new WeakMap<Command, number>();
  readonly #knowledge: ScriptKnowledge;
  readonly #transaction = new OpenTransaction();

  constructor(context: RewriterContext) {
    this.#context = context;
    this.#origin = `shim ${context.mapping.writer}`;
    this.#knowledge = new ScriptKnowledge(context.redis, () => this.#forget());
  }

  get inTransaction(): boolean {
    return this.#transaction.isOpen;
  }

  send(command: Command, stream: Stream, node?: object): unknown {
    if (!this.#seen.has(command)) {
      const isOpen = this.#isCluster && stream === undefined && command.name.toLowerCase() === 'multi';
      const plan = isOpen ? NO_OPEN_TRANSACTION : this.plan(command);
      if (plan.type === 'capture') this.capture(command, [plan]);
      else this.settle(command, plan, stream !== undefined);
    }
    const followers = this.#leads.get(command);
    if (followers !== undefined) countFollowers(command, followers, stream);
    this.#leads.delete(command);
    if (this.#unsent.has(command)) return command.promise;
    const { redis } = this.#context;
    return 'slots' in redis ? redis.sendCommand(command, stream, node) : redis.sendCommand(command, stream);
  }

  get #isCluster(): boolean {
    return this.#context.layout.cluster !== undefined;
  }

  /** Whether it has been looked at already. */
  knows(command: Command): boolean {
    return this.#seen.has(command);
  }

  /** Whether it is not sent, because another command of its pipeline does its work. */
  follows(command: Command): boolean {
    return this.#unsent.has(command);
  }

  plan(command: Command): Plan {
    const name = command.name.toLowerCase();
    const args = command.args as readonly Word[];
    const planner = PLANNERS.get(name);
    const { redis } = this.#context;
    try {
      if (planner !== undefined) return planner(name, args, this.#context);
      return planOther(name, args, this.#context, 'slots' in redis ? 0 : (redis.options.db ?? 0));
    } catch (error) {
      if (error instanceof ChangeoverError) return { type: 'refuse', error };
      throw error;
    }
  }

  /** Makes a call of the script of a command, and of those that follow it in its pipeline. */
  capture(command: Command, plans: readonly CapturePlan[], followers: readonly Command[] = []): void {
    const all = [command, ...followers];
    const parts = all.map((part) => ({
      original: { name: part.name, args: part.args as readonly Word[] },
      resolve: part.resolve,
      reject: part.reject,
    }));
    for (const part of all) this.#seen.add(part);
    for (const follower of followers) this.#unsent.add(follower);
    if (followers.length > 0) this.#leads.set(command, followers.length);
    const keys = plans.flatMap((plan) => plan.keys);
    const items = plans.flatMap((plan) => plan.item);
    const { script, layout } = this.#context;
    const home = layout.at(keyIn(plans[0]));
    keys.push(...fenceOf(home));
    const needsText = this.#transaction.isFirstCall() ?? this.#knowledge.needsText(home.cluster?.slot);
    const [name, code] = needsText ? ['eval', script.lua] : ['evalsha', script.sha1];
    command.name = name;
    command.args = [code, String(keys.length), ...keys, this.#origin, String(plans.length), ...items];
    if (followers.some(hasBytes)) noteBytes(command);
    this.#watch(command, parts);
    if (home.cluster !== undefined) onRetry(command, () => this.#undo(command, parts, followers));
  }

  /** Lets a command pass, or refuses it. */
  settle(command: Command, plan: Exclude<Plan, CapturePlan>, inPipeline = true): void {
    this.#seen.add(command);
    if (plan.type === 'pass') {
      // MULTI is followed again when it is sent again.
      if (this.#isCluster && inPipeline) onRetry(command, () => this.#seen.delete(command));
      if (this.#transaction.follow(command)) this.#translateAnswers(command);
      return;
    }
    // Alone it need not be sent. In a pipeline ioredis counts what is sent, and in a transaction the server has to know
    // that something was wrong.
    if (!inPipeline && !this.inTransaction) {
      this.#unsent.add(command);
      command.reject(plan.error);
      return;
    }
    const { reject, name, args } = command;
    if (this.#isCluster) {
      onRetry(command, () =>
        this.#undo(command, [{ original: { name, args: args as readonly Word[] } }], []),
      );
    }
    command.name = REFUSED;
    command.args = [];
    command.reject = () => reject(plan.error);
  }

  /** As if it had not been looked at yet. */
  #undo(command: Command, [own]: readonly Pick<Part, 'original'>[], followers: readonly Command[]): void {
    if (own === undefined) return;
    command.name = own.original.name;
    command.args = [...own.original.args];
    Reflect.deleteProperty(command, 'toWritable');
    this.#leads.delete(command);
    this.#underWay.delete(command);
    for (const each of [command, ...followers]) {
      this.#seen.delete(each);
      this.#unsent.delete(each);
    }
  }

  /** The errors of a transaction's commands are part of what EXEC answers. */
  #translateAnswers(exec: Command): void {
    const resolve = exec.resolve;
    exec.resolve = (answer: unknown) => {
      const answers = Array.isArray(answer)
        ? answer.map((each: unknown) => (each instanceof Error ? answerError(each, this.#context) : each))
        : answer;
      return resolve(answers as never);
    };
  }

  #watch(command: Command, parts: readonly Part[]): void {
    const { redis } = this.#context;
    const { inTransaction } = this;
    const settle = ({ original, resolve, reject }: Part, answer: unknown): void => {
      if (answer instanceof Error) reject(answerError(answer, this.#context, original));
      else resolve(answer as never);
    };
    this.#underWay.add(command);
    command.resolve = (answer) => {
      this.#underWay.delete(command);
      const several = parts.length > 1 && Array.isArray(answer);
      for (const [index, part] of parts.entries())
        settle(part, several ? (answer as unknown[])[index] : answer);
      return command.promise;
    };
    command.reject = (error) => {
      if (!inTransaction && command.name === 'evalsha' && error.message.startsWith('NOSCRIPT')) {
        // The server has forgotten its scripts, and has done nothing yet.
        this.#bringText(command);
        // It is no longer part of what its pipeline writes.
        Reflect.deleteProperty(command, 'toWritable');
        redis.sendCommand(command);
        return;
      }
      this.#underWay.delete(command);
      for (const part of parts) settle(part, parts.length > 1 ? copyOf(error) : error);
    };
  }

  #bringText(command: Command): void {
    command.name = 'eval';
    (command.args as Word[])[0] = this.#context.script.lua;
  }

  /** The next connection may be to a server that was started anew. What is sent again keeps its order only with the text. */
  #forget(): void {
    this.#transaction.forget();
    for (const command of this.#underWay) if (command.name === 'evalsha') this.#bringText(command);
  }
}

/** A key of the application, by which the others of the call are found. */
export function keyIn(plan: CapturePlan | undefined): Word {
  return plan?.keys[0] ?? '';
}

/** Each command of a pipeline has an error of its own, with itself in it. */
function copyOf(error: Error): Error {
  return Object.assign(Object.create(Object.getPrototypeOf(error)) as Error, error, {
    message: error.message,
    stack: error.stack,
  });
}
