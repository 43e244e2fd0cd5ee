/** Light or dark: as the system has it, unless the operator chose one in this browser. */
export const themes = ["system", "light", "dark"] as const
export type Theme = (typeof themes)[number]

const key = "syris.theme"

export const chosenTheme = (): Theme => {
  try {
    return themes.find((theme) => theme === localStorage.getItem(key)) ?? "system"
  } catch {
    return "system"
  }
}

export const applyTheme = (theme: Theme = chosenTheme()): void => {
  if (theme === "system") delete document.documentElement.dataset["theme"]
  else document.documentElement.dataset["theme"] = theme
}

export const chooseTheme = (theme: Theme): void => {
  try {
    localStorage.setItem(key, theme)
  } catch {
    // a browser that keeps nothing: until it is closed
  }
  applyTheme(theme)
}
