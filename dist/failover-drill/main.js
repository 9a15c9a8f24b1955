import { failoverDrill } from '../pgha.js';
await failoverDrill();
