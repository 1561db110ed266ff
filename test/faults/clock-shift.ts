/**
 * Loaded into a process before its own program (`node --import`), this gives it a wall clock that is wrong, from the beginning or
 * after some time. Its monotone clock goes on as it was. The product has no hooks of its own.
 */
import { CLOCK_SHIFT_ENV, type ClockShift } from './clock-faults.ts';

const text = process.env[CLOCK_SHIFT_ENV];
if (text !== undefined) {
  const { shiftMs, afterMs } = JSON.parse(text) as ClockShift;
  const RightDate = Date;
  const { timeOrigin: rightOrigin } = performance;
  let shift = afterMs === 0 ? shiftMs : 0;
  if (afterMs > 0)
    setTimeout(() => {
      shift = shiftMs;
    }, afterMs).unref();

  globalThis.Date = new Proxy(RightDate, {
    construct: (target, args, newTarget) =>
      Reflect.construct(target, args.length === 0 ? [target.now() + shift] : args, newTarget) as Date,
    apply: (target) => new target(target.now() + shift).toString(),
    get: (target, name) => (name === 'now' ? () => target.now() + shift : Reflect.get(target, name)),
  });
  Object.defineProperty(performance, 'timeOrigin', { get: () => rightOrigin + shift });
}
