#!/usr/bin/env node
// fleetd, the process: its name, its arguments, its status.
import { fleetd } from './program.ts';

process.title = 'fleetd'; // pidof fleetd finds it
process.exitCode = await fleetd(process.argv.slice(2));
