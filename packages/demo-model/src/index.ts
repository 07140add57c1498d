export { type DemoClassName, type DemoModel, demoModel } from './demo-model.ts';
