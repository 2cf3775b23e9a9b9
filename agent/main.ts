#!/usr/bin/env node
// fleetd, the process: its name, its arguments, its status.
import { fleetd } from './program.ts';

process.title = 'fleetd'; // pidof fleetd finds it
// Not left to the event loop: a connection to a store that no packet reaches ends only when TCP gives up, minutes later.
void fleetd(process.argv.slice(2)).then((status) => process.exit(status));
