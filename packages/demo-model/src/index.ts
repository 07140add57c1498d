export { DEMO_CLASS_NAMES, type DemoClassName, type DemoModel, demoModel } from './demo-model.ts';
