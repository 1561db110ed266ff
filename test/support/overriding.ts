/** The same object but for some of its members. Works with private fields, which neither spreading nor inheriting does. */
export function overriding<T extends object>(target: T, overrides: Partial<T>): T {
  return new Proxy(target, {
    get: (_target, name) => {
      if (name in overrides) return Reflect.get(overrides, name);
      const found: unknown = Reflect.get(target, name, target);
      return typeof found === 'function' ? found.bind(target) : found;
    },
  });
}
