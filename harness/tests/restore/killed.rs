pub fn a_drill_that_is_killed_is_cleaned_by_the_next() {}
