import { fourHosts, threeHosts, twoHosts } from '../../real/scenarios/several-hosts.ts';
import { declareScenarios } from '../../support/scenario.ts';

declareScenarios('scenarios of two hosts', twoHosts);
declareScenarios('scenarios of three hosts', threeHosts);
declareScenarios('scenarios of four hosts', fourHosts);
