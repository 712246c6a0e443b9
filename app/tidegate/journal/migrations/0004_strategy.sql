-- Which strategy let a run start: strategies are measured by what became of those jobs.

ALTER TABLE attempts ADD COLUMN strategy TEXT;  -- NULL: it began before this was written down
