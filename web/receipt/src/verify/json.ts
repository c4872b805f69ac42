// JSON without loss: every number is an integer and read as a bigint (`JSON.parse` would round a u64), a name stands
// once per object, and strings are well-formed Unicode. What a receipt may not hold is refused here, not ignored.
import { Refusal } from "./bytes.ts";

export type Json = null | boolean | bigint | string | Json[] | { [name: string]: Json };

/** Nesting beyond this is refused: a receipt needs eight levels. */
const DEEPEST = 32;

export class JsonError extends Refusal {}

export function parseJson(text: string): Json {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9][0-9]*)(?![0-9.eE])/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const LONE_SURROGATE = /[\ud800-\udfff]/u;

class Parser {
  #at = 0;

  constructor(readonly text: string) {}

  value(depth: number): Json {
    if (depth > DEEPEST) this.#refuse("it is nested too deeply", "está aninhado demais");
    this.#take(SPACE);
    switch (this.text[this.#at]) {
      case "{":
        return this.#object(depth);
      case "[":
        return this.#array(depth);
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default: {
        const number = this.#take(NUMBER);
        if (number === undefined) this.#refuse("neither a value nor an integer", "nem um valor nem um número inteiro");
        return BigInt(number);
      }
    }
  }

  end(): void {
    this.#take(SPACE);
    if (this.#at !== this.text.length) this.#refuse("something follows the value", "algo vem depois do valor");
  }

  #object(depth: number): Json {
    // A null prototype: a field named `__proto__` is a field like any other.
    const fields: { [name: string]: Json } = Object.create(null);
    this.#at++;
    if (this.#skip("}")) return fields;
    do {
      this.#take(SPACE);
      const name = this.#string();
      if (name in fields) this.#refuse(`the name ${JSON.stringify(name)} stands twice`, `o nome ${JSON.stringify(name)} aparece duas vezes`);
      this.#expect(":");
      fields[name] = this.value(depth + 1);
    } while (this.#skip(","));
    this.#expect("}");
    return fields;
  }

  #array(depth: number): Json {
    const items: Json[] = [];
    this.#at++;
    if (this.#skip("]")) return items;
    do items.push(this.value(depth + 1));
    while (this.#skip(","));
    this.#expect("]");
    return items;
  }

  #string(): string {
    const literal = this.#take(STRING);
    if (literal === undefined) this.#refuse("no string", "não há um texto");
    const text: string = JSON.parse(literal);
    if (LONE_SURROGATE.test(text)) this.#refuse("a string that is not Unicode", "um texto que não é Unicode");
    return text;
  }

  #word<T>(word: string, value: T): T {
    if (!this.text.startsWith(word, this.#at)) this.#refuse(`not ${word}`, `não é ${word}`);
    this.#at += word.length;
    return value;
  }

  #skip(mark: string): boolean {
    this.#take(SPACE);
    if (this.text[this.#at] !== mark) return false;
    this.#at++;
    return true;
  }

  #expect(mark: string): void {
    if (!this.#skip(mark)) this.#refuse(`${mark} was due`, `esperava-se ${mark}`);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #refuse(en: string, pt: string): never {
    throw new JsonError(`at character ${this.#at}: ${en}`, `no caractere ${this.#at}: ${pt}`);
  }
}
