import { oneHost } from '../../real/scenarios/one-host.ts';
import { declareScenarios } from '../../support/scenario.ts';

declareScenarios('scenarios of one host', oneHost);
