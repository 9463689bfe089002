/** Everything of the page that a project adds, tied together. */

import { say, sayFailure, showError } from "../ui/live_region.js";
import { byId, el } from "../ui/dom.js";
import { AssistDialog } from "../panels/assist_dialog.js";
import { ClassChips } from "../panels/class_chips.js";
import { ClassDialog } from "../panels/class_dialog.js";
import { DatasetDialog } from "../panels/dataset_dialog.js";
import { Filmstrip } from "../panels/filmstrip.js";
import { Project } from "./project.js";
import { ProjectApi } from "../net/project_api.js";
import { ProjectBar } from "../panels/project_bar.js";
import { ReviewDialog } from "../panels/review_dialog.js";
import { Suggestions } from "../panels/suggestions.js";
import { addFiles, summaryOf } from "./adding.js";
import { classes } from "../core/classes.js";
import { S } from "../core/strings.js";

const REFRESH = 400; // milliseconds in which changes of the counts are read together

export class ProjectPage {
  /**
   * @param {import("../net/api.js").Api} api
   * @param {import("../app.js").App} app
   * @param {import("../selection.js").Selection} selection
   * @param {object} page changed() draws all anew; draw() the stage; progress(text, share); locked(text | null)
   */
  constructor(api, app, selection, page) {
    Object.assign(this, { app, selection, page });
    this.api = new ProjectApi(api);
    this.project = new Project(this.api, app, {
      project: () => this.#showProject(),
      images: () => this.strip.reload().catch(sayFailure),
      image: (image) => this.#showImage(image),
      lock: ({ number, lock }) => this.strip.update({ number, lock }),
      state: (text) => this.bar.state(text),
      locked: (lock) => page.locked(lock && S.lockedBy(lock.name)),
      suggestions: () => page.changed(),
      job: (job) => this.assist.update(job),
      missing: (ids) => this.#selectMissing(ids),
    });
    const { project } = this;
    this.strip = new Filmstrip(project);
    this.classDialog = new ClassDialog(project);
    this.chips = new ClassChips(app, selection, project, () => this.classDialog.open());
    this.assist = new AssistDialog(project);
    this.review = new ReviewDialog(project, (object) => this.#openObject(object));
    this.dataset = new DatasetDialog(project);
    this.bar = new ProjectBar(project, { assist: () => this.assist.open(), review: () => this.review.open() });
    this.suggestions = new Suggestions(project, app, page.draw);
  }

  /** Open the project of the address, or that of `anymask label`. @returns {Promise<boolean>} whether there is one */
  async start() {
    const fromAddress = new URLSearchParams(location.hash.slice(1)).get("project");
    const { current, projects } = await this.api.projects();
    this.#list(projects);
    const id = fromAddress ?? current;
    if (!id) return false;
    await this.#open(id);
    return true;
  }

  /** What keys do in a project. */
  get commands() {
    const { project, chips, suggestions } = this;
    const inProject = (act) => (project.isOpen ? act : null);
    return {
      inProject: () => project.isOpen && classes.list.length > 0,
      classKey: (key) => chips.pressKey(key) || say(S.noClassOfKey(key)),
      next: () => project.isOpen && project.step(1),
      previous: () => project.isOpen && project.step(-1),
      skip: () => project.isOpen && project.finish("skipped"),
      done: () => project.isOpen && project.finish("done"),
      suggestion: {
        accept: () => inProject(suggestions)?.accept(),
        change: () => inProject(suggestions)?.change(),
        drop: () => inProject(suggestions)?.drop(),
      },
    };
  }

  /** Add files to the project; without one, several files or a folder make one. @returns {Promise<boolean>} whether they did */
  async addFiles(files, folder) {
    const { project } = this;
    if (!project.isOpen && files.length === 1 && !folder) return false;
    try {
      const id = project.id ?? (await this.api.create(folder ?? S.newProject)).id;
      const result = await addFiles(this.api, id, files, (done, total) =>
        this.page.progress(S.adding(done, total), done / total),
      );
      this.page.progress(null);
      if (!project.isOpen) await this.#open(id);
      else {
        await this.strip.reload();
        if (result.first) await project.open(result.first.number);
      }
      say(summaryOf(result));
      this.#showLeft(result.left);
    } catch (error) {
      this.page.progress(null);
      sayFailure(error);
    }
    return true;
  }

  /** Draw what follows the state of the open image. */
  show() {
    this.chips.show();
    this.suggestions.show();
  }

  /** Open the window for saving: the project's, if one is open. @returns {boolean} */
  save() {
    if (this.project.isOpen) this.dataset.open();
    return this.project.isOpen;
  }

  async #open(id) {
    const address = new URL(location.href);
    address.hash = `project=${id}`;
    history.replaceState(null, "", address.href);
    await this.project.start(id);
  }

  #list(projects) {
    byId("projects").hidden = !projects.length;
    byId("projects").replaceChildren(
      ...projects.map((about) => {
        const go = (event) => {
          event.preventDefault();
          this.#open(about.id).catch(sayFailure);
        };
        return el("li", {}, el("a", { href: `#project=${about.id}`, click: go }, S.projectLink(about)));
      }),
    );
  }

  #showProject() {
    this.bar.show();
    this.strip.showClasses(classes.list);
    if (byId("class-dialog").open) this.classDialog.show();
    this.page.changed();
  }

  #showImage(image) {
    this.strip.update(image);
    clearTimeout(this.counting);
    this.counting = setTimeout(() => this.#count().catch(() => null), REFRESH);
  }

  async #count() {
    const { counts, images } = await this.api.project(this.project.id);
    Object.assign(this.project.about, { counts, images });
    this.bar.counts(counts, images);
  }

  /** Select the objects without a class that keep an image from being done. */
  #selectMissing(ids) {
    const { view } = this.selection;
    view.selected = new Set(this.app.state.objects.filter((object) => ids.includes(object.sid)).map((object) => object.id));
    if (ids.length) this.page.changed();
  }

  #showLeft(left) {
    if (!left.length) return;
    const lines = left.map(S.leftOutFile).join("\n");
    showError("project-error", Object.assign(new Error(`${S.filesAdded(0, 0, left.length)}\n${lines}`), { expected: true }));
  }

  async #openObject({ image, object }) {
    if (!(await this.project.open(image))) return;
    const match = this.app.state.objects.find((each) => each.sid === object);
    if (match) this.selection.select(match.id);
  }
}
