// The words of the page in German.

/** @type {import("./ai-config-messages.js").Messages} */
export const de = {
  // The form
  loading: "Ihre Einstellungen werden geladen …",
  models: "Modelle",
  modelsHint:
    "Das erste passende Modell wird verwendet. Schlüssel werden verschlüsselt, bevor sie diese " +
    "Seite verlassen.",
  noModels: "Noch keine Modelle. Fügen Sie Ihr erstes Modell hinzu.",
  addModel: "Modell hinzufügen",
  prompt: "System-Prompt",
  promptLabel: "Anweisungen",
  promptHint: "Wird jedem Modell vor dem Gespräch gesendet.",
  count: (used, most) => `${used} von ${most}`,
  tooLong: (over) => `${over} Zeichen zu viel.`,
  insecure: "Auf dieser Seite können keine API-Schlüssel gespeichert werden",
  insecureText:
    "Browser verschlüsseln nur auf Seiten, die über https oder von diesem Computer geladen werden.",

  // Saving
  save: "Änderungen speichern",
  discard: "Verwerfen",
  busy: { load: "Wird geladen …", save: "Wird gespeichert …", delete: "Wird gelöscht …" },
  unsaved: "Nicht gespeicherte Änderungen",
  allSaved: "Alle Änderungen sind gespeichert",
  nothingSaved: "Noch nichts gespeichert",
  saved: "Gespeichert.",
  deleted: "Gelöscht.",
  discarded: "Änderungen verworfen.",
  deleteAll: "Alles löschen …",
  deleteTitle: "Alles löschen?",
  deleteText: "Alle Modelle, ihre Schlüssel und der System-Prompt werden endgültig gelöscht.",
  deleteKeep: "Einstellungen behalten",
  deleteConfirm: "Alles löschen",

  // An entry
  provider: "Anbieter",
  model: "Modell",
  modelExample: "z. B. gpt-4",
  type: "Typ",
  paid: "Kostenpflichtig",
  paidHint: "Kostenpflichtiges Modell",
  newModel: "Neues Modell",
  theModel: "Das Modell",
  numbered: (number) => `Modell ${number}`,
  moveUp: (name) => `${name} nach oben verschieben`,
  moveDown: (name) => `${name} nach unten verschieben`,
  remove: (name) => `${name} entfernen`,
  moved: (name, to, count) => `${name}: jetzt an Stelle ${to} von ${count}.`,
  removed: (name) => `${name} entfernt.`,

  // Its API key
  key: "API-Schlüssel",
  keyStatus: {
    set: "Gespeichert",
    unset: "Nicht gespeichert",
    unreadable: "Neu eingeben",
    moved: "Neu eingeben",
    copied: "Neu",
    removing: "Wird entfernt",
  },
  keyOptional: "Nicht für jeden Anbieter nötig",
  keyEnter: "Schlüssel eingeben",
  keyStored: "Verschlüsselt gespeichert, wird nie angezeigt.",
  keyRemoved: "Wird beim Speichern entfernt.",
  keyUnreadable:
    "Der gespeicherte Schlüssel lässt sich nicht mehr entschlüsseln. Geben Sie ihn neu ein.",
  keyMoved: (provider) =>
    `Der gespeicherte Schlüssel gehört zu ${provider}. Geben Sie einen für diesen Anbieter ein.`,
  keyForOther: (provider) => `Der eingegebene Schlüssel ist für ${provider}.`,
  keyTooLong: (bytes) => `Ein API-Schlüssel hat höchstens ${bytes} Byte.`,
  keyUndecided: "Entscheiden Sie, was mit dem gespeicherten Schlüssel geschieht.",
  optionsWrong: "Schreiben Sie eine Option in jede Zeile, zum Beispiel „region = eu“.",
  keepKey: "Schlüssel behalten",
  keepKeyOf: (name) => `Schlüssel behalten: ${name}`,
  cancel: "Abbrechen",
  cancelKeyOf: (name) => `Ersetzen des Schlüssels abbrechen: ${name}`,
  useKey: "Eingegebenen Schlüssel verwenden",
  useKeyFor: (name) => `Eingegebenen Schlüssel verwenden: ${name}`,
  replaceKey: "Ersetzen",
  replaceKeyOf: (name) => `Schlüssel ersetzen: ${name}`,
  removeKey: "Entfernen",
  removeKeyOf: (name) => `Schlüssel entfernen: ${name}`,

  // Failures
  outcome: {
    load: { unknown: "", "nothing-changed": "" },
    save: {
      unknown:
        "Es ist nicht bekannt, ob Ihre Änderungen gespeichert wurden; sie sind noch hier.",
      "nothing-changed": "Nichts wurde gespeichert; Ihre Änderungen sind noch hier.",
    },
    delete: {
      unknown: "Es ist nicht bekannt, ob Ihre Einstellungen gelöscht wurden.",
      "nothing-changed": "Nichts wurde gelöscht.",
    },
  },
  tryAgain: "Erneut versuchen",
  tryAgainIn: (seconds) => `Versuchen Sie es in ${seconds} Sekunden erneut.`,
  failed: "Anfrage fehlgeschlagen",
  failedStatus: (status) => `Der Server antwortete mit Status ${status}.`,
  logInFailed: "Anmeldung fehlgeschlagen",
  logInWaiting: "Warten auf die Anmeldung …",
  logInAgain: "Erneut anmelden",
  sessionEnded: "Ihre Sitzung ist beendet",
  otherUser: "Sie sind als anderer Benutzer angemeldet",
  otherUserText: "Nicht gespeicherte Änderungen des vorigen Benutzers wurden verworfen.",
  unreachable: "Der Server ist nicht erreichbar",
  offline: "Sie sind offline",
  checkConnection: "Prüfen Sie Ihre Verbindung.",
  denied: "Keine Berechtigung",
  unavailable: "Der Dienst ist nicht verfügbar",

  // What the server does not accept
  fieldsWrong: (count) =>
    count === 1 ? "Ein Feld muss berichtigt werden" : `${count} Felder müssen berichtigt werden`,
  cannotSave: "Das kann nicht gespeichert werden",
  nothingWasSaved: "Nichts wurde gespeichert.",
  violation: {
    minLength: "Dieses Feld ist erforderlich.",
    maxLength: "Die Eingabe ist zu lang.",
    pattern: "Diese Zeichen sind hier nicht erlaubt.",
    format: "Das ist keine gültige Adresse.",
    "duplicate-model": "Ein anderer Eintrag hat denselben Anbieter, Typ und dasselbe Modell.",
    "key-not-accepted":
      "Der Server konnte diesen Schlüssel nicht öffnen. Geben Sie ihn neu ein.",
    "key-not-encrypted": "Hier steht ein unverschlüsselter API-Schlüssel.",
    "key-required": "Die Adresse wurde geändert. Geben Sie den Schlüssel neu ein.",
    "base-url-not-allowed": "Diese Adresse ist nicht erlaubt.",
    "model-not-offered": "Das wird hier nicht angeboten.",
  },
  invalid: (pointer) => `Ungültiger Wert (${pointer}).`,

  // Changed elsewhere
  conflict: "Einstellungen wurden anderswo geändert",
  conflictText:
    "Ein anderer Tab oder ein anderes Gerät hat diese Einstellungen gespeichert, während Sie sie " +
    "bearbeitet haben. Nichts ist verloren. Wählen Sie, welche Fassung bleiben soll.",
  notDeleted: "Nichts wurde gelöscht.",
  showSaved: "Gespeicherte Fassung zeigen",
  deleteAnyway: "Trotzdem löschen",
  mine: "Ihre Fassung",
  saveMine: "Meine speichern",
  theirs: "Gespeicherte Fassung",
  useSaved: "Gespeicherte Fassung verwenden",
  showingSaved: "Die gespeicherte Fassung wird gezeigt",
  showingMine: "Ihre Fassung wird gezeigt",
  backToMine: "Zurück zu meiner",
  keyGone: "Ein Schlüssel wurde anderswo entfernt",
  keyGoneText: (names) => `Geben Sie ihn neu ein oder speichern Sie ohne ihn: ${names}.`,
  allDeleted: "Alle Einstellungen wurden gelöscht.",
  noPrompt: "Kein System-Prompt",
  promptOf: (version) => `System-Prompt: ${version}`,
  entryLine: (type, isPaid, key) =>
    ` (${type}), ${isPaid ? "kostenpflichtig" : "kostenlos"}, Schlüssel: ${key}`,
  keyNew: "neu",
  keyRemoving: "wird entfernt",
};
