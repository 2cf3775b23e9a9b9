// One row of each kind; test/full/scenarios/ has the whole table.
import { declareScenarios } from '../../support/scenario.ts';
import { oneHost } from './one-host.ts';
import { oneHostThenTwo, threeHosts, twoHosts } from './several-hosts.ts';

declareScenarios('scenarios of one host', oneHost, [
  'UnitSSHActions',
  'UnitStartReplace',
  'ScheduleOneWayConflict',
  'Shutdown',
]);
declareScenarios('scenarios of one host and a second', oneHostThenTwo);
declareScenarios('scenarios of two hosts', twoHosts, [
  'MachinesPatchAddModify',
  'InstallUnit',
  'ScheduleReplace',
  'KnownHostsVerification',
  'DetectMachineId',
]);
declareScenarios('scenarios of three hosts', threeHosts, [
  'ScheduleMachineOf',
  'ScheduleConflicts',
  'ScheduleGlobalUnits',
  'TunnelScheduleBatchUnits',
  'DynamicClusterMemberReboot',
]);
