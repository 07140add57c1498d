export { openVae, pipelineVae, type VaeFile } from './open-vae.ts';
