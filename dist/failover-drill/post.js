import { failoverDrillPost } from '../pgha.js';
await failoverDrillPost();
