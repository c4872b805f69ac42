// Numbers, amounts, dates and addresses as people read them, in their language.
import { PPM } from "../verify/bundle.ts";
import { toHex } from "../verify/bytes.ts";
import type { Language } from "./words.ts";

const LOCALE: Record<Language, string> = { en: "en", pt: "pt-BR" };
const UNIT = 10n ** 18n;

/** FNT with the decimals that matter: at most `digits` significant ones, cut off, never rounded up. */
export function fnt(wei: bigint, language: Language, digits = 6): string {
  const [whole, rest] = [wei / UNIT, (wei % UNIT).toString().padStart(18, "0")];
  const leading = whole > 0n ? 0 : rest.length - rest.replace(/^0+/, "").length;
  const decimals = rest.slice(0, leading + digits).replace(/0+$/, "");
  const mark = language === "pt" ? "," : ".";
  return `${whole.toLocaleString(LOCALE[language])}${decimals === "" ? "" : mark + decimals}`;
}

/** Parts per million as a percentage with one decimal, rounded down so that shares never seem to exceed the whole. */
export function percent(ppm: number, language: Language): string {
  const tenths = Math.floor(ppm / (PPM / 1000)) / 10;
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  return `${tenths.toLocaleString(LOCALE[language], digits)} %`.replace(" ", "\u202f");
}

export const count = (value: number, language: Language): string => value.toLocaleString(LOCALE[language]);

export function moment(seconds: bigint, language: Language): string {
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return `${seconds} s`;
  return date.toLocaleString(LOCALE[language], { dateStyle: "long", timeStyle: "short" });
}

/** `YYYY-MM-DD` as a date, anything else as it is. */
export function day(text: string, language: Language): string {
  const date = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : undefined;
  if (date === undefined || Number.isNaN(date.getTime())) return text;
  return date.toLocaleDateString(LOCALE[language], { dateStyle: "long", timeZone: "UTC" });
}

/** `0x1234…abcd`. */
export function short(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  return `${hex.slice(0, 8)}…${hex.slice(-4)}`;
}
