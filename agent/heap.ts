// How V8 is to keep fleetd's heap: said while it runs, since what it is told at its start it also holds against Node's own compiled code.
import { setFlagsFromString } from 'node:v8';

/**
 * The old generation is cleared when it has grown by 150 %, not fourfold as on a host with much memory, and 2 s after it has grown quiet
 * instead of 30: without units fleetd has 86 MB and not 96 half a minute after its start, and some 140 and not 180 after it has started and destroyed 500 a few times. At
 * 60 % that would be 118, but a listing of 10,000 units would take a sixth longer.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--heap-growing-percent=150');
  setFlagsFromString('--gc-memory-reducer-start-delay-ms=2000');
}

/**
 * For as long as this process has a large term: a heap that has grown quiet is not cleared for that alone. It would take the event loop 16 to
 * 22 ms, and twice that where the term's thread and V8's marking for it have the processors; beside the term's heap it saves nothing.
 */
export function leaveQuietHeapBe(): void {
  setFlagsFromString('--gc-memory-reducer-start-delay-ms=3600000');
}
