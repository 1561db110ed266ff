import { messageOf } from '../../core/errors.ts';
import type { Kind } from '../../schemas/kinds.ts';
import type { Config } from '../config.ts';
import { type Deployment, withDeployment } from '../deployment.ts';
import { chosenOrigins, kindsOfOrigin } from '../routes.ts';

/** By so much the clocks of this host and of a store may differ. */
const CLOCK_MARGIN_US = 5_000_000;

/**
 * After a validation that found every follower equal: a store of which all kinds were in it, and whose writes went uncaptured
 * only before it was begun, has nothing more to make good. (A backfill alone proves nothing: a delete that went uncaptured
 * leaves no row that it could read.) Answers what to tell the operator.
 */
export async function acceptLosses(
  config: Config,
  kinds: readonly Kind[],
  startedAtUs: number,
): Promise<readonly string[]> {
  return withDeployment(
    config,
    async (deployment) => {
      const complete = chosenOrigins(deployment.routes, undefined).filter((name) =>
        kindsOfOrigin(deployment.routes, name).every((kind) => kinds.includes(kind)),
      );
      const notes = await Promise.all(complete.map((name) => acceptLoss(deployment, name, startedAtUs)));
      return notes.flatMap((note) => note ?? []);
    },
    { capture: true },
  );
}

async function acceptLoss(
  deployment: Deployment,
  name: string,
  startedAtUs: number,
): Promise<string | undefined> {
  try {
    const { capture, name: store } = await deployment.store('legacy', name);
    const before = await capture?.status();
    if (capture === undefined || (before?.lostSinceUs ?? null) === null) return undefined;
    await capture.acceptLoss(startedAtUs - CLOCK_MARGIN_US);
    const { lostSinceUs } = await capture.status();
    return lostSinceUs === null
      ? `${store}: the writes that went uncaptured are made good: every follower is equal to it.`
      : `${store}: writes went uncaptured after this validation was begun, or just before it; it takes another backfill.`;
  } catch (error) {
    // The mark of the loss stays, so nothing is hidden by going on.
    return `legacy.${name}: cannot ask whether writes went uncaptured: ${messageOf(error)}`;
  }
}
