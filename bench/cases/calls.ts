/**
 * Everything that is measured of single calls, on the CPU or on a device.
 *
 * @module
 */

import { deviceGoals, hostGoals } from '../goals.ts';
import type { Spread } from '../measure.ts';
import type { Place } from '../place.ts';
import type { Goal } from '../results.ts';
import { callCases, deviceCallCases, measureCall } from './call-overhead.ts';
import { hostTimeCases, measureHostTime } from './host-time.ts';

export interface PlannedCall {
  readonly title: string;
  /** In nanoseconds. */
  readonly goal?: Goal;
  /** Nanoseconds of a call. */
  measure(): Promise<Spread>;
}

/** For each kind of call on a device. */
const deviceSeconds = 0.5;

/** @param elements weights that the model need not have more of whose steps are measured on a device */
export function plannedCalls(place: Place, elements: number): PlannedCall[] {
  if (place.device === 'cpu') {
    return callCases.map((callCase) => ({
      title: callCase.title,
      ...(callCase.dispatched ? {} : { goal: hostGoals.call }),
      measure: () => measureCall(callCase),
    }));
  }
  const hostTimes = hostTimeCases.map((hostTimeCase) => ({
    title: hostTimeCase.title,
    goal: deviceGoals.hostTime,
    measure: () => measureHostTime(hostTimeCase, place.device, elements, deviceSeconds),
  }));
  const awaited = deviceCallCases(place.device).map((callCase) => ({
    title: callCase.title,
    measure: () => measureCall(callCase, deviceSeconds),
  }));
  return [...hostTimes, ...awaited];
}
