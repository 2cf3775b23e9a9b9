// One row of each kind; test/full/scenarios/ has the whole table. Keys of SSH hosts: test/real/ssh.test.ts too.
import { declareScenarios } from '../../support/scenario.ts';
import { oneHost } from './one-host.ts';
import { threeHosts, twoHosts } from './several-hosts.ts';

declareScenarios('scenarios of one host', oneHost, [
  'UnitSSHActions',
  'ScheduleOneWayConflict',
  'Shutdown',
  'NodeShutdown',
]);
declareScenarios('scenarios of two hosts', twoHosts, [
  'MachinesPatchAddModify',
  'InstallUnit',
  'ScheduleReplace',
]);
declareScenarios('scenarios of three hosts', threeHosts, [
  'ScheduleMachineOf',
  'ScheduleGlobalUnits',
]);
