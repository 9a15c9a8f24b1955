import { acceptance } from '../pgha.js';
await acceptance();
